"""Which items share terms with what is wanted? Sums over an inverted index, and over the terms of candidates."""

# mypy: disable-error-code="untyped-decorator"
import numpy as np
from numba import njit
from numpy.typing import NDArray

from foryou.kernels.arrays import F32, I32, SUMS

U32 = NDArray[np.uint32]
I64 = NDArray[np.int64]


@njit(cache=True, nogil=True)
def _find(names: U32, name: np.uint32) -> int:
    """Give the place of a name in sorted names, -1 = not there."""
    low, high = 0, len(names)
    while low < high:
        middle = (low + high) // 2
        if names[middle] < name:
            low = middle + 1
        else:
            high = middle
    return low if low < len(names) and names[low] == name else -1


@njit(cache=True, nogil=True)
def profile(names: U32, idf: F32, values: U32, start: I64, weight: F32, term: I32, strength: F32) -> None:
    """Fill term [B, T], strength [B, T] with the heaviest terms of weighted rows: places in `names`, -1 = none.

    Rows b * L .. b * L + L - 1 of (values, start) belong to query b; weight [B, L]. A row's terms share its weight by
    idf; heaviest first, equal ones by place.
    """
    rows = weight.shape[1]
    for b in range(weight.shape[0]):
        first, last = start[b * rows], start[(b + 1) * rows]
        place, share = np.empty(last - first, np.int32), np.empty(last - first, np.float32)
        used = 0
        for row in range(rows):
            if weight[b, row] == 0:
                continue
            norm, before = np.float32(0.0), used
            for at in range(start[b * rows + row], start[b * rows + row + 1]):
                found = _find(names, values[at])
                if found >= 0:
                    place[used], share[used] = found, idf[found]
                    norm += idf[found] * idf[found]
                    used += 1
            for at in range(before, used):
                share[at] *= weight[b, row] / np.sqrt(norm)
        order = np.argsort(place[:used], kind="mergesort")
        merged, size = np.empty(used, np.float32), 0
        which = np.empty(used, np.int32)
        for at in order:
            if size and which[size - 1] == place[at]:
                merged[size - 1] += share[at]
            else:
                which[size], merged[size] = place[at], share[at]
                size += 1
        heaviest = np.argsort(-merged[:size] * idf[which[:size]], kind="mergesort")[: term.shape[1]]
        term[b, :], strength[b, :] = -1, 0.0
        for at in range(len(heaviest)):
            term[b, at], strength[b, at] = which[heaviest[at]], merged[heaviest[at]]


@njit(cache=True, nogil=True)
def _nth_largest(values: F32, n: int) -> np.float32:
    """Give the n-th largest of values, which are put into another order (Hoare's selection)."""
    low, high = 0, len(values) - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] > pivot:
                i += 1
            while values[j] < pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if n - 1 <= j:
            high = j
        elif n - 1 >= i:
            low = i
        else:
            break
    return np.float32(values[n - 1])


@njit(cache=True, nogil=True)
def best_of_postings(
    start: I64, ids: I32, values: F32, term: I32, strength: F32, total: F32, item: I32, score: F32
) -> None:
    """Fill item, score [B, n] with the n best positive sums of strength [B, T] times the postings of term [B, T].

    Posting list t is ids, values[start[t]..start[t + 1]]; term -1 = none. In no order; 0 where there are fewer.
    `total` [N+1] is scratch: all zero before and after.
    """
    for b in range(item.shape[0]):
        room = 0
        for t in range(term.shape[1]):
            if term[b, t] >= 0:
                room += start[term[b, t] + 1] - start[term[b, t]]
        touched, count = np.empty(room, np.int32), 0
        for t in range(term.shape[1]):
            if term[b, t] < 0 or strength[b, t] <= 0:
                continue
            for at in range(start[term[b, t]], start[term[b, t] + 1]):
                n = ids[at]
                if total[n] == 0:
                    touched[count] = n
                    count += 1
                total[n] += strength[b, t] * values[at]
        sums = np.empty(count, np.float32)
        for j in range(count):
            sums[j] = total[touched[j]]
            total[touched[j]] = 0.0
        item[b, :], score[b, :] = 0, 0.0
        if count == 0 or item.shape[1] == 0:
            continue
        least = _nth_largest(sums.copy(), min(count, item.shape[1]))
        above = 0
        for j in range(count):
            above += sums[j] > least
        equal, at = min(count, item.shape[1]) - above, 0
        for j in range(count):  # of equal ones those that were met first
            if sums[j] > least or (sums[j] == least and equal > 0):
                equal -= sums[j] == least
                item[b, at], score[b, at] = touched[j], sums[j]
                at += 1


@njit(cache=True, nogil=True)
def encode(names: U32, idf: F32, projection: F32, values: U32, start: I64, out: F32) -> None:
    """Fill out [R, D] with the unit vectors of rows of terms: Σ idf · projection row; zero where no term is known."""
    for row in range(out.shape[0]):
        total = np.zeros(out.shape[1], np.float64)
        for at in range(start[row], start[row + 1]):
            found = _find(names, values[at])
            if found >= 0:
                for d in range(out.shape[1]):
                    total[d] += idf[found] * projection[found, d]
        norm = np.sqrt((total * total).sum())
        for d in range(out.shape[1]):
            out[row, d] = total[d] / norm if norm > 1e-9 else 0.0


@njit(cache=True, nogil=True, fastmath=SUMS)
def dots_of_two(user: F32, base: F32, fresh: F32, place: I32, item: I32, out: F32) -> None:
    """Do what `dots` does for vectors in two tables: item n stands in fresh[place[n]], or in base[n] if that is < 0.

    `place` may be shorter than the catalog, or empty: what lies beyond it stands in base.
    """
    for b in range(item.shape[0]):
        for c in range(item.shape[1]):
            n = item[b, c]
            total = np.float32(0.0)
            if n < place.shape[0] and place[n] >= 0:
                row = fresh[place[n]]
                for d in range(row.shape[0]):
                    total += user[b, d] * row[d]
            elif 0 < n < base.shape[0]:
                row = base[n]
                for d in range(row.shape[0]):
                    total += user[b, d] * row[d]
            out[b, c] = total


@njit(cache=True, nogil=True)
def sum_of_vectors(base: F32, fresh: F32, place: I32, history: I32, weight: F32, out: F32) -> None:
    """Add weight [B, H] times the vectors of history [B, H], in two tables as in `dots_of_two`, to out [B, D]."""
    for b in range(history.shape[0]):
        for h in range(history.shape[1]):
            n = history[b, h]
            if weight[b, h] == 0:
                continue
            if n < place.shape[0] and place[n] >= 0:
                row = fresh[place[n]]
                for d in range(row.shape[0]):
                    out[b, d] += weight[b, h] * row[d]
            elif 0 < n < base.shape[0]:
                row = base[n]
                for d in range(row.shape[0]):
                    out[b, d] += weight[b, h] * row[d]


@njit(cache=True, nogil=True)
def affinity(group: I32, start: I64, weight: F32, out: F32) -> None:
    """Fill out [B, G] with the weight per group of weighted rows, in [-1, 1]: Σ weight / Σ |weight|.

    Rows b * L .. of (group, start) belong to query b; weight [B, L]. A row's groups share its weight. Column 0 is
    nobody's.
    """
    rows = weight.shape[1]
    for b in range(out.shape[0]):
        out[b, :] = 0.0
        whole = np.float32(0.0)
        for row in range(rows):
            first, last = start[b * rows + row], start[b * rows + row + 1]
            if last == first or weight[b, row] == 0:
                continue
            whole += abs(weight[b, row])
            for at in range(first, last):
                if group[at] < out.shape[1]:
                    out[b, group[at]] += weight[b, row] / np.float32(last - first)
        if whole > 0:
            for g in range(out.shape[1]):
                out[b, g] /= whole
        out[b, 0] = 0.0


@njit(cache=True, nogil=True)
def sum_of_groups(table: F32, group: I32, start: I64, out: F32) -> None:
    """Fill out [B, C] with the sum of table [B, G] over the groups of a candidate: rows b * C + c of (group, start)."""
    for b in range(out.shape[0]):
        for c in range(out.shape[1]):
            total = np.float32(0.0)
            for at in range(start[b * out.shape[1] + c], start[b * out.shape[1] + c + 1]):
                if group[at] < table.shape[1]:
                    total += table[b, group[at]]
            out[b, c] = total


@njit(cache=True, nogil=True)
def group_links(group: I32, start: I64, other: I32, other_start: I64, out: F32) -> None:
    """Fill out [B, L, C] with the share of the groups of row l that row c of the others has, too."""
    for b in range(out.shape[0]):
        for row in range(out.shape[1]):
            first, last = start[b * out.shape[1] + row], start[b * out.shape[1] + row + 1]
            for c in range(out.shape[2]):
                count = 0
                for at in range(other_start[b * out.shape[2] + c], other_start[b * out.shape[2] + c + 1]):
                    for mine in range(first, last):
                        count += group[mine] == other[at]
                out[b, row, c] = np.float32(count) / np.float32(max(1, last - first))


@njit(cache=True, nogil=True)
def share_of_same(mine: I32, weight: F32, theirs: I32, out: F32) -> None:
    """Fill out [B, C] with the weight of the entries that are what a candidate is: Σ weight / Σ |weight|, 0 = is none.

    mine [B, H], weight [B, H], theirs [B, C]; an entry that is none (0) does not count at all.
    """
    for b in range(out.shape[0]):
        whole = np.float32(0.0)
        for h in range(mine.shape[1]):
            whole += abs(weight[b, h]) if mine[b, h] > 0 else np.float32(0.0)
        for c in range(out.shape[1]):
            total = np.float32(0.0)
            for h in range(mine.shape[1]):
                if mine[b, h] > 0 and mine[b, h] == theirs[b, c]:
                    total += weight[b, h]
            out[b, c] = total / whole if whole > 0 else np.float32(0.0)


@njit(cache=True, nogil=True)
def share_of_terms(wanted: U32, idf: F32, values: U32, start: I64, out: F32) -> None:
    """Fill out [C] with the share, by idf [W], of the wanted words that a row has: wanted [W, K], K ways to say one."""
    whole = np.float32(0.0)
    for w in range(len(wanted)):
        whole += idf[w]
    for c in range(len(out)):
        found = np.float32(0.0)
        for w in range(len(wanted)):
            there = False
            for at in range(start[c], start[c + 1]):
                for k in range(wanted.shape[1]):
                    there = there or values[at] == wanted[w, k]
            if there:
                found += idf[w]
        out[c] = found / whole if whole > 0 else np.float32(0.0)


@njit(cache=True, nogil=True)
def times(hash32: U32, item: I32, shown: U32, start: I64, out: F32) -> None:
    """Fill out [B, C] with how often a candidate's hash stands among those of its query, which are sorted."""
    for b in range(item.shape[0]):
        first, last = start[b], start[b + 1]
        for c in range(item.shape[1]):
            wanted = hash32[item[b, c]]
            low, high = first, last
            while low < high:
                middle = (low + high) // 2
                if shown[middle] < wanted:
                    low = middle + 1
                else:
                    high = middle
            count = 0
            while low + count < last and shown[low + count] == wanted:
                count += 1
            out[b, c] = count
