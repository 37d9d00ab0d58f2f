"""Was something said twice? Records with one event_id, and events that say the same under different ids."""

import numpy as np
from numpy.typing import NDArray

from foryou.ingest.doctor.finding import Batch, Finding, Hits, Scope, Severity, share

REMEMBERED = 500_000  # events of a partition among which repeats are found, at least
SOME = 0.01
_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], np.uint64)


class _Recent:
    """Numbers seen among the last REMEMBERED, or up to twice as many."""

    def __init__(self) -> None:
        self._new: set[int] = set()
        self._old: set[int] = set()

    def repeats(self, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Say which were seen before, and remember all.  uint64 [n] -> bool [n]"""
        found = np.zeros(len(keys), np.bool_)
        for row, key in enumerate(keys.tolist()):
            if key in self._new or key in self._old:
                found[row] = True
            else:
                self._new.add(key)
        if len(self._new) >= REMEMBERED:
            self._old, self._new = self._new, set()
        return found


class Repeats:
    """Ids that stand twice in the log, and retries that got a new id."""

    def __init__(self, _scope: Scope) -> None:
        self._partition = -1
        self._ids, self._said = _Recent(), _Recent()
        self._same_id, self._same_text, self._of = Hits(), Hits(), 0

    def see(self, batch: Batch) -> None:
        """Compare with the events shortly before; a user's events share a partition."""
        if batch.partition != self._partition:
            self._partition, self._ids, self._said = batch.partition, _Recent(), _Recent()
        cols = batch.columns
        self._of += len(cols.event)
        again = self._ids.repeats(cols.event)
        self._same_id.note(batch, again)
        key = cols.user * _MIX[0] ^ cols.item * _MIX[1] ^ cols.at_ms.astype(np.uint64) * _MIX[2]
        key ^= (cols.action.astype(np.uint64) + (cols.value.view(np.uint32).astype(np.uint64) << np.uint64(8))) * _MIX[
            3
        ]
        about = cols.item != 0
        same = np.zeros(len(key), np.bool_)
        same[about] = self._said.repeats(key[about])
        self._same_text.note(batch, same & ~again)

    def findings(self) -> list[Finding]:
        """Say how many of each."""
        found = []
        if self._same_id.count:
            found.append(Finding(
                "duplicate ids", Severity.ERROR, self._same_id.count, self._of, "records have the event_id of another",
                tuple(self._same_id.examples), "make event_id unique per event (a UUID) and send it again only in a"
                " retry; fold and training count the first one only",
            ))  # fmt: skip
        if self._same_text.count:
            many = share(self._same_text.count, self._of) > SOME
            found.append(Finding(
                "duplicate ids", Severity.WARNING if many else Severity.NOTE, self._same_text.count, self._of,
                "events say the same as another (user, item, action, ms, value) under an id of their own",
                tuple(self._same_text.examples), "let the client make event_id before the first attempt and keep it in"
                " retries; of an import, name columns that tell events apart (id), or leave id out to merge them",
            ))  # fmt: skip
        return found
