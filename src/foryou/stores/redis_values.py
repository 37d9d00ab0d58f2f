"""How does a user lie in Redis? As one value with all of the record; and counters become arrays."""

from collections.abc import Iterator, Mapping, Sequence
from struct import Struct

import numpy as np
from numpy.typing import NDArray

from foryou.domain.errors import Refused
from foryou.domain.records import UserRecord, pack, unpack

FORM = 1
_HEAD = Struct("<BIIIq")  # form; bytes of the core, of the history, of what was seen; offset. The rest was shown.
HOURS, DAYS = b"h", b"d"  # kinds of buckets
LETTERS = {  # of tallies
    "shown": b"s", "sponsored": b"p", "expected": b"e", "taken": b"t", "together": b"g", "variant_expected": b"v",
    "variant_taken": b"w",
}  # fmt: skip
_INCREMENT = Struct("<7sQi")
INCREMENT_DTYPE = np.dtype([("bucket", "S7"), ("item", "<u8"), ("count", "<i4")])
Counted = tuple[NDArray[np.uint64], NDArray[np.int64]]  # item hashes in order, counts


def packed(record: UserRecord) -> bytes:
    """Give all of a record as one value."""
    core, history, seen, shown = pack(record)
    head = _HEAD.pack(FORM, len(core), len(history), len(seen), record.offset)
    return b"".join((head, core, history, seen, shown))


def unpacked(value: bytes) -> UserRecord:
    """Give the record back from `packed`. Raises Refused for a form that this program does not know."""
    form, core, history, seen, offset = _HEAD.unpack_from(value)
    if form != FORM:
        raise Refused(f"a record has form {form}, this program reads {FORM}; run the program that wrote it, or refold")
    history += (first := _HEAD.size + core)
    seen += history
    view = memoryview(value)  # copies nothing
    return unpack(view[_HEAD.size : first], view[first:history], view[history:seen], offset, view[seen:])


def increments(kind: bytes, counts: Mapping[tuple[int, int], int]) -> bytes:
    """Give increments of (bucket number, item hash) as the script `write` takes them."""
    pack = _INCREMENT.pack
    return b"".join([pack(b"%b%06d" % (kind, bucket), item, count) for (bucket, item), count in counts.items()])


def increments_of(some: Sequence[bytes]) -> Iterator[tuple[bytes, Counted]]:
    """Give the sums of increments, bucket by bucket."""
    found = np.frombuffer(b"".join(some), INCREMENT_DTYPE)
    for name in np.unique(found["bucket"]).tolist():
        own = found[found["bucket"] == name]
        yield name, summed([(own["item"], own["count"].astype(np.int64))])


def counters(items: Sequence[bytes], counts: Sequence[bytes]) -> Counted:
    """Give the counters of one bucket."""
    return summed([(np.frombuffer(b"".join(items), "<u8"), np.array(counts, dtype="S20").astype(np.int64))])


def summed(parts: Sequence[Counted]) -> Counted:
    """Give the sums of all parts, in the order of the items."""
    item = np.concatenate([part[0] for part in parts])
    count = np.concatenate([part[1] for part in parts])
    order = np.argsort(item, kind="stable")
    item, count = item[order], count[order]
    first = np.ones(len(item), bool)
    first[1:] = item[1:] != item[:-1]
    return item[first], np.add.reduceat(count, np.flatnonzero(first)) if len(item) else count


def added(to: Counted, more: Counted) -> Counted:
    """Give the sums of two, where the second has few items; the counts of the first change in place."""
    item, count = to
    at = np.searchsorted(item, more[0])
    known = at < len(item)
    known[known] = item[at[known]] == more[0][known]
    count[at[known]] += more[1][known]
    new = ~known
    return (np.insert(item, at[new], more[0][new]), np.insert(count, at[new], more[1][new])) if new.any() else to
