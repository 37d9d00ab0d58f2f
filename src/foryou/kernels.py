"""Which arithmetic runs on the hot path? Plain functions of arrays, compiled at first call and cached.

Shapes use the letters of `domain.slate`: B queries · C candidate places · D width · H history · N items. Every
kernel treats each query on its own and in the same order, so one query gives the same bits alone and in a batch.
Oracles of a few lines stand in `tests/oracles.py`. Fast maths is allowed only where no value can be NaN or
infinite by meaning (sums of products); comparisons of scores keep IEEE rules.
"""

# mypy: disable-error-code="untyped-decorator"
import numpy as np
from numba import njit
from numpy.typing import NDArray

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
Bool = NDArray[np.bool_]

SUMS = {"reassoc", "contract", "nsz"}  # lets sums of products use vector instructions, keeps NaN and infinity
MAX_FOLD = 64  # actions that a fold-in solves for


@njit(cache=True, nogil=True)
def _slot(table: I32, item: int) -> int:
    mask = len(table) - 1
    slot: int = (item * 40503) & mask
    while table[slot] != 0 and table[slot] != item:
        slot = (slot + 1) & mask
    return int(slot)


@njit(cache=True, nogil=True)
def merge(
    item: I32, prior: F32, origin: NDArray[np.uint16], start: int, new: I32, new_prior: F32, bit: np.uint16
) -> int:
    """Add the candidates `new` [B, n] behind the first `start` places; one already present only gains the bit.

    Gives how many places are in use now. Candidates that find no place are left out.
    """
    size = 64
    while size < 2 * item.shape[1]:
        size *= 2
    table, place = np.zeros(size, np.int32), np.zeros(size, np.int32)
    end = min(item.shape[1], start + new.shape[1])
    for b in range(item.shape[0]):
        table[:] = 0
        for c in range(start):
            if item[b, c] > 0:
                slot = _slot(table, item[b, c])
                table[slot], place[slot] = item[b, c], c
        free = start
        for j in range(new.shape[1]):
            if new[b, j] <= 0:
                continue
            slot = _slot(table, new[b, j])
            if table[slot] == 0:
                if free == end:
                    continue
                table[slot], place[slot] = new[b, j], free
                item[b, free], prior[b, free] = new[b, j], new_prior[b, j]
                free += 1
            origin[b, place[slot]] |= bit
    return int(end)


@njit(cache=True, nogil=True)
def count_kept(item: I32, dropped: NDArray[np.uint8]) -> int:
    """Give how many places hold a candidate that no rule has dropped."""
    count = 0
    for b in range(item.shape[0]):
        for c in range(item.shape[1]):
            count += item[b, c] > 0 and dropped[b, c] == 0
    return count


@njit(cache=True, nogil=True)
def _before(score: np.float32, item: int, other_score: np.float32, other_item: int) -> bool:
    return bool(score > other_score or (score == other_score and item < other_item))


@njit(cache=True, nogil=True)
def top(item: I32, score: F32, dropped: NDArray[np.uint8], pin: NDArray[np.int16], k: I32) -> I32:
    """Give the places of the best k[b] candidates, best first, pins at their place.  int32 [B, max k], -1 = none.

    A score that is not finite is never selected, pinned or not. Two pins for one place: the better score wins.
    """
    widest = 0
    for b in range(len(k)):
        widest = max(widest, k[b])
    found = np.full((item.shape[0], widest), -1, np.int32)
    free = np.empty(widest, np.int32)
    for b in range(item.shape[0]):
        for c in range(item.shape[1]):
            place = pin[b, c] - 1
            if item[b, c] > 0 and dropped[b, c] == 0 and 0 <= place < k[b] and np.isfinite(score[b, c]):
                held = found[b, place]
                if held < 0 or _before(score[b, c], item[b, c], score[b, held], item[b, held]):
                    found[b, place] = c
        pinned = 0
        for place in range(k[b]):
            pinned += found[b, place] >= 0
        wanted, used = k[b] - pinned, 0
        for c in range(item.shape[1]):
            if item[b, c] <= 0 or dropped[b, c] != 0 or pin[b, c] > 0 or not np.isfinite(score[b, c]):
                continue
            if used == wanted and (
                wanted == 0 or not _before(score[b, c], item[b, c], score[b, free[used - 1]], item[b, free[used - 1]])
            ):
                continue
            used = min(used + 1, wanted)
            at = used - 1
            while at > 0 and _before(score[b, c], item[b, c], score[b, free[at - 1]], item[b, free[at - 1]]):
                free[at] = free[at - 1]
                at -= 1
            free[at] = c
        _fill(found[b], k[b], free, used)
    return found


@njit(cache=True, nogil=True)
def _fill(row: I32, k: int, free: I32, used: int) -> None:
    """Put the free candidates into the gaps between pins and close what stays empty."""
    taken = 0
    for place in range(k):
        if row[place] < 0 and taken < used:
            row[place] = free[taken]
            taken += 1
    end = 0
    for place in range(k):
        if row[place] >= 0:
            row[end] = row[place]
            end += 1
    for place in range(end, k):
        row[place] = -1


@njit(cache=True, nogil=True, fastmath=SUMS)
def dots(user: F32, vectors: F32, item: I32, out: F32) -> None:
    """Fill out [B, C] with user [B, D] · vectors [N+1, D] at item [B, C]; an item without a row gets 0."""
    for b in range(item.shape[0]):
        for c in range(item.shape[1]):
            total = np.float32(0.0)
            if 0 < item[b, c] < vectors.shape[0]:
                row = vectors[item[b, c]]
                for d in range(row.shape[0]):
                    total += user[b, d] * row[d]
            out[b, c] = total


@njit(cache=True, nogil=True, fastmath=SUMS)
def all_dots(user: F32, vectors: F32, out: F32) -> None:
    """Fill out [B, N+1] with user [B, D] · every row of vectors [N+1, D]."""
    for b in range(user.shape[0]):
        for n in range(vectors.shape[0]):
            total = np.float32(0.0)
            row = vectors[n]
            for d in range(row.shape[0]):
                total += user[b, d] * row[d]
            out[b, n] = total


@njit(cache=True, nogil=True)
def gather(column: F32, item: I32, out: F32) -> None:
    """Fill out [B, C] with column [N+1] at item [B, C]; an item without a row gets 0."""
    for b in range(item.shape[0]):
        for c in range(item.shape[1]):
            out[b, c] = column[item[b, c]] if item[b, c] < column.shape[0] else np.float32(0.0)


@njit(cache=True, nogil=True)
def gather_rows(rows: F32, item: I32, out: F32) -> None:
    """Fill out [B, C] with rows [B, N+1] at item [B, C]; an item without a place gets 0."""
    for b in range(item.shape[0]):
        for c in range(item.shape[1]):
            out[b, c] = rows[b, item[b, c]] if item[b, c] < rows.shape[1] else np.float32(0.0)


@njit(cache=True, nogil=True)
def largest(fall: F32, entry: I32, value: F32) -> None:
    """Fill entry and value [B, C, n] with the n largest of fall [B, L, C] along L, largest first, early ones first."""
    for b in range(fall.shape[0]):
        for c in range(fall.shape[2]):
            for j in range(entry.shape[2]):
                entry[b, c, j], value[b, c, j] = -1, -np.inf
            for h in range(fall.shape[1]):
                at = entry.shape[2]
                while at > 0 and fall[b, h, c] > value[b, c, at - 1]:
                    at -= 1
                for j in range(entry.shape[2] - 1, at, -1):
                    entry[b, c, j], value[b, c, j] = entry[b, c, j - 1], value[b, c, j - 1]
                if at < entry.shape[2]:
                    entry[b, c, at], value[b, c, at] = h, fall[b, h, c]


@njit(cache=True, nogil=True, fastmath=SUMS)
def add_rows(rows: F32, history: I32, weight: F32, out: F32) -> None:
    """Fill out [B, N+1] with the sum over history [B, L] of weight [B, L] times rows [N+1, N+1] at the item."""
    for b in range(history.shape[0]):
        out[b, :] = np.float32(0.0)
        for h in range(history.shape[1]):
            if 0 < history[b, h] < rows.shape[0] and weight[b, h] != 0:
                row = rows[history[b, h]]
                for n in range(row.shape[0]):
                    out[b, n] += weight[b, h] * row[n]


@njit(cache=True, nogil=True, fastmath=SUMS)
def sum_at(rows: F32, history: I32, weight: F32, item: I32, out: F32) -> None:
    """Fill out [B, C] with the sum over history of weight [B, L] · rows [N+1, N+1] at (history, item [B, C])."""
    for b in range(item.shape[0]):
        out[b, :] = np.float32(0.0)
        for h in range(history.shape[1]):
            if 0 < history[b, h] < rows.shape[0] and weight[b, h] != 0:
                row = rows[history[b, h]]
                for c in range(item.shape[1]):
                    if item[b, c] < row.shape[0]:
                        out[b, c] += weight[b, h] * row[item[b, c]]


@njit(cache=True, nogil=True)
def _add_sparse_rows(ids: I32, values: F32, history: I32, weight: F32, total: F32, touched: I32) -> int:
    """Add weight [L] times the sparse rows of history [L] to total [N+1]; gives how many items stand in `touched`."""
    count = 0
    for h in range(history.shape[0]):
        if history[h] <= 0 or history[h] >= ids.shape[0] or weight[h] == 0:
            continue
        for j in range(ids.shape[1]):
            n = ids[history[h], j]
            if n > 0:
                if total[n] == 0:
                    touched[count] = n
                    count += 1
                total[n] += weight[h] * values[history[h], j]
    return count


@njit(cache=True, nogil=True)
def sum_sparse_at(ids: I32, values: F32, history: I32, weight: F32, total: F32, item: I32, out: F32) -> None:
    """Do what `sum_at` does for rows that keep only their heaviest entries (ids, values [N+1, K]).

    `total` [N+1] is scratch: all zero before and after.
    """
    touched = np.empty(history.shape[1] * ids.shape[1], np.int32)
    for b in range(item.shape[0]):
        count = _add_sparse_rows(ids, values, history[b], weight[b], total, touched)
        for c in range(item.shape[1]):
            out[b, c] = total[item[b, c]] if item[b, c] < total.shape[0] else np.float32(0.0)
        for j in range(count):
            total[touched[j]] = 0.0


@njit(cache=True, nogil=True)
def best_of_sparse_rows(ids: I32, values: F32, history: I32, weight: F32, total: F32, item: I32, score: F32) -> None:
    """Fill item, score [B, n] with the n best positive sums of sparse rows, in no order; 0 where there are fewer."""
    touched = np.empty(history.shape[1] * ids.shape[1], np.int32)
    wanted = item.shape[1]
    for b in range(item.shape[0]):
        count = _add_sparse_rows(ids, values, history[b], weight[b], total, touched)
        sums = np.empty(count, np.float32)
        size = 0
        for j in range(count):
            value = total[touched[j]]
            total[touched[j]] = 0.0
            if value > 0:  # an item whose sum crossed zero stands twice; the second time it is zero already
                touched[size], sums[size] = touched[j], value
                size += 1
        order = np.argsort(-sums[:size], kind="mergesort")[:wanted]
        item[b, :], score[b, :] = 0, 0.0
        for j in range(len(order)):
            item[b, j], score[b, j] = touched[order[j]], sums[order[j]]


@njit(cache=True, nogil=True)
def member(hash32: NDArray[np.uint32], item: I32, seen: NDArray[np.uint32], seen_start: NDArray[np.int64]) -> Bool:
    """Say which candidates were seen.  item [B, C], seen sorted within each query -> bool [B, C]"""
    found = np.zeros(item.shape, np.bool_)
    for b in range(item.shape[0]):
        first, last = seen_start[b], seen_start[b + 1]
        for c in range(item.shape[1]):
            wanted = hash32[item[b, c]]
            low, high = first, last
            while low < high:
                middle = (low + high) // 2
                if seen[middle] < wanted:
                    low = middle + 1
                else:
                    high = middle
            found[b, c] = low < last and seen[low] == wanted
    return found


@njit(cache=True, nogil=True)
def beyond_cap(item: I32, score: F32, dropped: NDArray[np.uint8], group: I32, cap: int, k: I32) -> Bool:
    """Say which candidates stand behind `cap` better ones of their group [B, C] on the way to k[b] items.

    Group 0 is no group and never capped. Greedy by score, so the answer is the best list that keeps the cap: once a
    group has its `cap` items and the list is not full, all others of the group are beyond.
    """
    over = np.zeros(item.shape, np.bool_)
    free = np.zeros((1, item.shape[1]), np.int16)
    many = np.empty(1, np.int32)
    for b in range(item.shape[0]):
        many[0] = min(item.shape[1], 4 * k[b])
        while True:
            best = top(item[b : b + 1], score[b : b + 1], dropped[b : b + 1], free, many)[0]
            full, listed = _walk(best, group[b], cap, k[b])
            if listed >= k[b] or many[0] == item.shape[1]:
                break
            many[0] = item.shape[1]  # the best 4k were of too few groups: look at all
        for c in range(item.shape[1]):
            over[b, c] = item[b, c] > 0 and dropped[b, c] == 0 and _contains(full, group[b, c])
        listed = 0
        counts = np.zeros(len(full), np.int32)
        for c in best:  # those that were listed stay
            if c < 0 or listed >= k[b]:
                break
            place = _place(full, group[b, c])
            if place < 0 or counts[place] < cap:
                over[b, c] = False
                listed += 1
            if place >= 0:
                counts[place] += 1
    return over


@njit(cache=True, nogil=True)
def _walk(best: I32, group: I32, cap: int, k: int) -> tuple[I32, int]:
    """Walk down the best places until k are listed; gives the groups that became full on the way, and how many."""
    names, counts = np.zeros(len(best), np.int32), np.zeros(len(best), np.int32)
    known, listed = 0, 0
    for c in best:
        if c < 0 or listed >= k:
            break
        if group[c] == 0:
            listed += 1
            continue
        place = _place(names[:known], group[c])
        if place < 0:
            place = known
            names[place] = group[c]
            known += 1
        if counts[place] < cap:
            counts[place] += 1
            listed += 1
    return names[:known][counts[:known] >= cap], listed


@njit(cache=True, nogil=True)
def _place(names: I32, name: int) -> int:
    for place in range(len(names)):
        if names[place] == name:
            return place
    return -1


@njit(cache=True, nogil=True)
def _contains(names: I32, name: int) -> bool:
    return _place(names, name) >= 0


@njit(cache=True, nogil=True)
def uniform(state: np.uint64) -> tuple[np.uint64, float]:
    """Give the next state and a number in [0, 1) of splitmix64 (Steele et al. 2014)."""
    state = np.uint64(state + np.uint64(0x9E3779B97F4A7C15))
    z = state
    z = np.uint64((z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9))
    z = np.uint64((z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB))
    z = np.uint64(z ^ (z >> np.uint64(31)))
    return state, (z >> np.uint64(11)) / 9007199254740992.0


@njit(cache=True, nogil=True)
def explore(
    kept: Bool, group: I32, best: I32, k: I32, share: float, seed: NDArray[np.uint64],
    pin: NDArray[np.int16], propensity: F32,
) -> None:  # fmt: skip
    """Pin random candidates of other groups to the last places of the list, and note their chance.

    `best` [B, max k] are the places that would be shown. Of k[b] places floor(share·k + u) are given away, u random:
    share·k on average. Candidates: kept, not already shown, and of a group that no shown item has (where there
    is none such, of any group). Drawn without replacement, each with equal chance: propensity = expected places /
    candidates. Mutates pin and propensity.
    """
    for b in range(kept.shape[0]):
        shown = 0
        while shown < k[b] and best[b, shown] >= 0:
            shown += 1
        state, u = uniform(seed[b])
        wanted = min(int(share * shown + u), shown)
        if wanted == 0:
            continue
        used = {np.int32(0): True}
        for place in range(shown - wanted):
            used[group[b, best[b, place]]] = True
        pool = np.empty(kept.shape[1], np.int32)
        size = 0
        for c in range(kept.shape[1]):
            if kept[b, c] and group[b, c] not in used and pin[b, c] == 0:
                pool[size] = c
                size += 1
        if size == 0:
            free = kept[b].copy()
            free[best[b, :shown]] = False
            for place in range(len(free)):
                if free[place]:
                    pool[size] = place
                    size += 1
        wanted = min(wanted, size)
        chance = np.float32(min(1.0, share * shown / size)) if size else np.float32(1.0)
        for j in range(wanted):
            state, u = uniform(state)
            other = j + int(u * (size - j))
            pool[j], pool[other] = pool[other], pool[j]
            pin[b, pool[j]] = shown - wanted + j + 1
            propensity[b, pool[j]] = chance


@njit(cache=True, nogil=True, fastmath=SUMS)
def _invert(a: NDArray[np.float64], n: int) -> None:
    """Replace the symmetric positive definite a[:n, :n] by its inverse, through its Cholesky factor."""
    for j in range(n):
        for i in range(j, n):
            total = a[i, j]
            for p in range(j):
                total -= a[i, p] * a[j, p]
            a[i, j] = np.sqrt(max(total, 1e-12)) if i == j else total / a[j, j]
    for j in range(n):  # invert the factor in place
        a[j, j] = 1.0 / a[j, j]
        for i in range(j + 1, n):
            total = 0.0
            for p in range(j, i):
                total -= a[i, p] * a[p, j]
            a[i, j] = total / a[i, i]
    for j in range(n):
        for i in range(j, n):
            total = 0.0
            for p in range(i, n):
                total += a[p, i] * a[p, j]
            a[i, j] = total
            a[j, i] = total


@njit(cache=True, nogil=True, fastmath=SUMS)
def fold_in(
    vectors: F32, spectrum: F32, history: I32, confidence: F32, preference: F32,
    unobserved: float, regularisation: float, power: float,
    user: F32, inverse: NDArray[np.float64], place: I32,
) -> None:  # fmt: skip
    """Solve for the user vectors of implicit ALS from the histories alone (Hu et al. 2008; Rendle et al. 2021).

    vectors [N+1, D] in the eigenbasis of YᵀY, so that G = u·YᵀY + λI is diagonal: spectrum [D] are its eigenvalues.
    history, confidence, preference [B, L]: an entry with confidence 0 or without a row is left out; at most
    MAX_FOLD newest count. λ = regularisation · (n + u·N)^power.  The dual form needs an n × n system only:
    α = (C⁻¹ + Y G⁻¹ Yᵀ)⁻¹ p,  x = G⁻¹ Yᵀ α.
    Fills user [B, D]; inverse [B, MAX_FOLD, MAX_FOLD] with (C⁻¹ + K)⁻¹ and place int32 [B, MAX_FOLD] with the
    column of each used entry (-1 = none): what `without_each` needs.
    """
    width = vectors.shape[1]
    system = np.empty((MAX_FOLD, MAX_FOLD), np.float64)
    scaled = np.empty((MAX_FOLD, width), np.float32)
    for b in range(history.shape[0]):
        n = 0
        for h in range(history.shape[1]):
            if n < MAX_FOLD and 0 < history[b, h] < vectors.shape[0] and confidence[b, h] > 0:
                place[b, n] = h
                n += 1
        for j in range(n, MAX_FOLD):
            place[b, j] = -1
        ridge = regularisation * (n + unobserved * (vectors.shape[0] - 1)) ** power
        for i in range(n):
            row = vectors[history[b, place[b, i]]]
            for d in range(width):
                scaled[i, d] = row[d] / np.float32(unobserved * spectrum[d] + ridge)
            for j in range(i + 1):
                other = vectors[history[b, place[b, j]]]
                total = np.float32(0.0)
                for d in range(width):
                    total += scaled[i, d] * other[d]
                system[i, j] = total
                system[j, i] = total
        for i in range(n):
            system[i, i] += 1.0 / confidence[b, place[b, i]]
        _invert(system, n)
        inverse[b, :n, :n] = system[:n, :n]
        for d in range(width):
            user[b, d] = np.float32(0.0)
        for i in range(n):
            alpha = 0.0
            for j in range(n):
                alpha += system[i, j] * preference[b, place[b, j]]
            for d in range(width):
                user[b, d] += np.float32(alpha) * scaled[i, d]


@njit(cache=True, nogil=True)
def recent(
    number: I32, taste: F32, action: NDArray[np.uint8], at_ms: NDArray[np.int64], start: NDArray[np.int64],
    history: I32, tastes: F32, actions: NDArray[np.uint8], times: NDArray[np.int64],
) -> None:  # fmt: skip
    """Fill history, tastes, actions, times [B, H] with the distinct items of flat actions (oldest first), newest first.

    An item stands where its newest action stands and has the taste of its strongest one (the newest of equals).
    Actions of query b are start[b]..start[b+1]; item 0 is left out. What is older than the first item that finds no
    place is not looked at.
    """
    for b in range(history.shape[0]):
        used = 0
        for at in range(start[b + 1] - 1, start[b] - 1, -1):
            if number[at] == 0:
                continue
            place = 0
            while place < used and history[b, place] != number[at]:
                place += 1
            if place == used:
                if used == history.shape[1]:
                    break
                used += 1
                history[b, place], tastes[b, place] = number[at], taste[at]
                actions[b, place], times[b, place] = action[at], at_ms[at]
            elif abs(taste[at]) > abs(tastes[b, place]):
                tastes[b, place], actions[b, place] = taste[at], action[at]
        for place in range(used, history.shape[1]):
            history[b, place], tastes[b, place], actions[b, place], times[b, place] = 0, 0.0, 0, 0


@njit(cache=True, nogil=True, fastmath=SUMS)
def without_each(
    vectors: F32, spectrum: F32, history: I32, preference: F32, unobserved: float, regularisation: float, power: float,
    inverse: NDArray[np.float64], place: I32, user: F32, item: I32, out: F32,
) -> None:  # fmt: skip
    """Fill out [B, L, C] with the scores of items [B, C] by a `fold_in` that had left out entry l of the history.

    Closed form (the leave-one-out identity of kernel ridge regression): with M = (C⁻¹ + K)⁻¹, α = M p and
    g = y_c G⁻¹ Yᵀ M, the score without entry l is s − g_l α_l / M_ll.
    """
    width = vectors.shape[1]
    alpha, scaled, kernel = np.empty(MAX_FOLD), np.empty(width, np.float32), np.empty(MAX_FOLD)
    for b in range(item.shape[0]):
        n = 0
        while n < MAX_FOLD and place[b, n] >= 0:
            n += 1
        ridge = regularisation * (n + unobserved * (vectors.shape[0] - 1)) ** power
        for i in range(n):
            alpha[i] = 0.0
            for j in range(n):
                alpha[i] += inverse[b, i, j] * preference[b, place[b, j]]
        for c in range(item.shape[1]):
            out[b, :, c] = np.float32(0.0)
            if item[b, c] <= 0 or item[b, c] >= vectors.shape[0]:
                continue
            row = vectors[item[b, c]]
            score = np.float32(0.0)
            for d in range(width):
                score += row[d] * user[b, d]
                scaled[d] = row[d] / np.float32(unobserved * spectrum[d] + ridge)
            out[b, :, c] = score
            for i in range(n):
                other = vectors[history[b, place[b, i]]]
                total = np.float32(0.0)
                for d in range(width):
                    total += scaled[d] * other[d]
                kernel[i] = total
            for i in range(n):
                lever = 0.0
                for j in range(n):
                    lever += kernel[j] * inverse[b, j, i]
                if place[b, i] < out.shape[1]:
                    out[b, place[b, i], c] = score - np.float32(lever * alpha[i] / inverse[b, i, i])


@njit(cache=True, nogil=True)
def links(rows: F32, history: I32, item: I32, out: F32) -> None:
    """Fill out [B, L, C] with rows [N+1, N+1] at (history [B, L], item [B, C]); 0 where either has no row."""
    for b in range(item.shape[0]):
        for h in range(history.shape[1]):
            known = 0 < history[b, h] < rows.shape[0]
            for c in range(item.shape[1]):
                inside = known and item[b, c] < rows.shape[1]
                out[b, h, c] = rows[history[b, h], item[b, c]] if inside else np.float32(0.0)


@njit(cache=True, nogil=True)
def sparse_links(ids: I32, values: F32, history: I32, total: F32, item: I32, out: F32) -> None:
    """Do what `links` does for rows that keep only their heaviest entries. `total` [N+1] is scratch, zero around."""
    for b in range(item.shape[0]):
        for h in range(history.shape[1]):
            name = history[b, h] if 0 < history[b, h] < ids.shape[0] else 0
            for j in range(ids.shape[1]):
                total[ids[name, j]] = values[name, j]
            total[0] = 0.0
            for c in range(item.shape[1]):
                out[b, h, c] = total[item[b, c]] if item[b, c] < total.shape[0] else np.float32(0.0)
            for j in range(ids.shape[1]):
                total[ids[name, j]] = 0.0


@njit(cache=True, nogil=True)
def sums_without(link: F32, weight: F32, moved: F32, out: F32) -> None:
    """Fill out [B, L, C] with the weighted sums over the history that had not entry l.

    link [B, M, C], M >= L entries; weight [B, M] where each stands, moved [B, M] if it stood one place newer: leaving
    l out moves all older ones up. Entries of weight 0 beyond the window come in by their moved weight.
    """
    for b in range(link.shape[0]):
        for c in range(link.shape[2]):
            older = np.float32(0.0)
            for m in range(link.shape[1]):
                older += moved[b, m] * link[b, m, c]
            newer = np.float32(0.0)
            for m in range(link.shape[1]):
                older -= moved[b, m] * link[b, m, c]
                if m < out.shape[1]:
                    out[b, m, c] = newer + older
                newer += weight[b, m] * link[b, m, c]
