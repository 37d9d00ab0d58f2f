"""How long do answers wait for user records, and how often in vain? Measured where the pipeline reads them."""

import time
from collections.abc import Sequence

from foryou.domain.errors import Incomplete
from foryou.domain.records import UserRecord
from foryou.features.hydrate import Records
from foryou.observe.metrics import Metrics


class Metered:
    """Reads user records as others do, and notes how it went."""

    def __init__(self, records: Records, metrics: Metrics) -> None:
        self._records, self._ms = records, metrics.read_ms
        self._done, self._partial, self._failed = map(metrics.reads.labels, ("done", "partial", "failed"))

    def read(self, users: Sequence[str]) -> list[UserRecord | None]:
        """Give the records; raises what the store raises."""
        started, outcome = time.perf_counter(), self._failed
        try:
            found = self._records.read(users)
            outcome = self._done
        except Incomplete:
            outcome = self._partial
            raise
        finally:
            outcome.inc()
            self._ms.observe((time.perf_counter() - started) * 1e3)
        return found
