"""Are these records what the log says? They are compared with those of a fold that nobody disturbed."""

from collections.abc import Iterable

import numpy as np

from foryou.domain.ports import FeatureStore
from foryou.domain.records import UserRecord


def assert_equal_records(ours: FeatureStore, clean: FeatureStore, users: Iterable[str]) -> None:
    """Compare the records of users and all counters."""
    names = sorted(users)
    for start in range(0, len(names), 100):
        some = names[start : start + 100]
        for name, one, other in zip(some, ours.read(some), clean.read(some), strict=True):
            assert one is not None, name
            assert other is not None, name
            for what, mine, theirs in zip(FIELDS, _told(one), _told(other), strict=True):
                assert mine == theirs, f"{what} of {name}, folded through {one.places}, clean {other.places}"
            assert np.array_equal(one.seen, other.seen), name
    assert counts(ours) == counts(clean)


FIELDS = ("core", "history", "shown", "places")


def _told(record: UserRecord) -> tuple[object, ...]:
    return record.core, record.history.tobytes(), record.shown.tolist(), record.places


def counts(store: FeatureStore, since_hour: int = 0) -> dict[tuple[int, int], int]:
    """Give the counters by (hour, item), from an hour on."""
    found = store.trending()
    keys = zip(found.hour.tolist(), found.item.tolist(), strict=True)
    return {key: count for key, count in zip(keys, found.count.tolist(), strict=True) if key[0] >= since_hour}
