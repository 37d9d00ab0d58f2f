"""Did the ranker see what the log says? Logged inputs are worked out again and compared bit for bit."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from foryou.domain.errors import ForyouError, NotFound
from foryou.domain.exposure import Exposure
from foryou.domain.log import Stream
from foryou.ingest.codec import exposure_of
from foryou.wiring.home import Home
from foryou.wiring.models import SCHEMAS
from foryou.wiring.past import Progress, entries
from foryou.wiring.rewound import Rewound

EXAMPLES = 10
WHOLE = {"unknown_user", "unknown_item", "short_answer", "filter_exhausted"}  # no stage was left out of such answers


@dataclass(frozen=True, slots=True)
class Example:
    """One input that came out different."""

    recommendation_id: str
    item_id: str
    name: str
    logged: float
    again: float


@dataclass(slots=True)
class Skew:
    """What the comparison found. `passed_over`: answers that cannot be given again, by reason."""

    answers: int = 0
    vectors: int = 0
    mismatches: Counter[str] = field(default_factory=Counter)  # by input; `candidates`: the item is none any more
    examples: list[Example] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)


def measure(home: Home, limit: int, on_progress: Progress) -> Skew:
    """Work out the newest logged vectors anew, whole answers until there are `limit`. Raises NotFound if none are."""
    logged = list(_logged(home, limit))
    if not logged:
        raise NotFound("No exposure holds the ranker's inputs; set serve.log_inputs_share above 0 and serve a while")
    result, rewound = Skew(), Rewound(home, logged, on_progress)
    for done, exposure in enumerate(rewound.in_order, start=1):
        if why := _unfit(exposure):
            result.passed_over[why] += 1
            continue
        try:
            again = rewound.inputs(exposure)
        except ForyouError as error:  # such as a bundle that is gone
            result.passed_over[type(error).__name__] += 1
            continue
        _compare(exposure, again, result)
        on_progress("compare", done, len(logged))
    rewound.close()
    return result


def _logged(home: Home, limit: int) -> Iterator[Exposure]:
    """Give the newest exposures with inputs, each once, until they hold `limit` vectors."""
    ends = home.log.ends(Stream.EXPOSURES)
    found = (exposure_of(entry.record.body) for entry in entries(home, Stream.EXPOSURES, ends))
    each = {one.recommendation_id: one for one in found if one.inputs}
    vectors = 0
    for exposure in sorted(each.values(), key=lambda one: -one.now_ms):
        if vectors >= limit:
            return
        vectors += len(exposure.items)
        yield exposure


def _unfit(exposure: Exposure) -> str:
    if exposure.schema not in SCHEMAS:
        return "inputs of another release"
    return "" if set(exposure.degraded) <= WHOLE else "degraded"


def _compare(exposure: Exposure, again: dict[str, NDArray[np.float32]], result: Skew) -> None:
    names = SCHEMAS[exposure.schema]
    logged = np.frombuffer(exposure.inputs, np.float32).reshape(len(exposure.items), len(names))
    result.answers += 1
    result.vectors += len(logged)
    for item_id, then in zip(exposure.items, logged, strict=True):
        now = again.get(item_id)
        if now is None:
            result.mismatches["candidates"] += 1
            continue
        for place in np.flatnonzero(then.view(np.uint32) != now.view(np.uint32)).tolist():
            result.mismatches[names[place]] += 1
            if len(result.examples) < EXAMPLES:
                values = float(then[place]), float(now[place])
                result.examples.append(Example(exposure.recommendation_id, item_id, names[place], *values))
