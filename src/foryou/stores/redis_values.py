"""How does a user lie in Redis? As one value with all of the record; and counters become arrays."""

from collections.abc import Iterable, Sequence
from struct import Struct

import numpy as np
from numpy.typing import NDArray

from foryou.domain.errors import Refused
from foryou.domain.records import UserRecord, pack, unpack

FORM = 1
_HEAD = Struct("<BIIIq")  # form; bytes of the core, of the history, of what was seen; offset. The rest was shown.
Counted = tuple[NDArray[np.int32], NDArray[np.uint64], NDArray[np.int64]]  # bucket, item, count


def packed(record: UserRecord) -> bytes:
    """Give all of a record as one value."""
    core, history, seen, shown = pack(record)
    head = _HEAD.pack(FORM, len(core), len(history), len(seen), record.offset)
    return b"".join((head, core, history, seen, shown))


def unpacked(value: bytes) -> UserRecord:
    """Give the record back from `packed`. Raises Refused for a form that this program does not know."""
    form, *sizes, offset = _HEAD.unpack_from(value)
    if form != FORM:
        raise Refused(f"a record has form {form}, this program reads {FORM}; run the program that wrote it, or refold")
    parts, start = [], _HEAD.size
    for size in sizes:
        parts.append(value[start : start + size])
        start += size
    return unpack(parts[0], parts[1], parts[2], offset, value[start:])


def counters(bucket: int, items: Sequence[bytes], counts: Sequence[bytes]) -> Counted:
    """Give the counters of one bucket."""
    item = np.frombuffer(b"".join(items), "<u8")
    return np.full(len(item), bucket, np.int32), item, np.array(counts, dtype="S20").astype(np.int64)


def summed(parts: Iterable[Counted], kept: int) -> Counted:
    """Give the counters of all parts, one per bucket and item, without those `kept` before the newest bucket."""
    columns = list(zip(*parts, strict=True))
    if not columns:
        return np.zeros(0, np.int32), np.zeros(0, np.uint64), np.zeros(0, np.int64)
    bucket, item, count = (np.concatenate(column) for column in columns)
    new = bucket >= bucket.max(initial=0) - kept
    bucket, item, count = bucket[new], item[new], count[new]
    order = np.lexsort((item, bucket))
    bucket, item, count = bucket[order], item[order], count[order]
    first = np.ones(len(bucket), bool)
    first[1:] = (bucket[1:] != bucket[:-1]) | (item[1:] != item[:-1])
    if not len(bucket):
        return bucket, item, count
    return bucket[first], item[first], np.add.reduceat(count, np.flatnonzero(first))
