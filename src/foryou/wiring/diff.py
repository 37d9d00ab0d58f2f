"""What would another bundle show? Logged queries are answered by both, each with what was known when it was asked."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec
import numpy as np

from foryou.domain.errors import Invalid, NotFound, Refused
from foryou.domain.exposure import Exposure
from foryou.domain.log import Stream
from foryou.domain.slate import Answer, Shown
from foryou.ingest.codec import exposure_of
from foryou.train import metrics
from foryou.train.evaluate import HEAVY_USER, NEW_USER
from foryou.wiring.home import Home
from foryou.wiring.past import READ, Progress
from foryou.wiring.rewound import Rewound

TOP = 10
EXAMPLES = 5
CATEGORIES = 12


class Segment(msgspec.Struct, frozen=True):
    """Queries of one kind of user: how many, what both bundles show, the mean score of what each shows."""

    requests: int
    overlap: float
    score_a: float
    score_b: float


class Example(msgspec.Struct, frozen=True):
    """A user whose list would change much: titles that only one of the bundles shows, best first."""

    user_id: str
    placement: str
    overlap: float
    only_a: list[str]
    only_b: list[str]


class Difference(msgspec.Struct, frozen=True):
    """What two bundles answer to the same queries.

    overlap: mean share of the first ten items that both show, with its 95 % interval by users; same: share of answers
    that are the same to the place; shift: half the sum of changes of the categories' shares; categories: name -> share
    in A, in B, the most changed first; passed_over: queries that could not be answered by both.
    """

    a: str
    b: str
    requests: int
    passed_over: int
    overlap: float
    low: float
    high: float
    same: float
    shift: float
    categories: dict[str, tuple[float, float]]
    segments: dict[str, Segment]
    examples: list[Example]


def diff(home: Home, a: str, b: str, requests: int, on_progress: Progress) -> Difference:
    """Compare two bundles on the newest logged queries of users. Raises NotFound for a bundle or queries that are not.

    Raises Invalid where both are the same.
    """
    if a == b:
        raise Invalid("B", f"{b} is the same bundle", "name two; `foryou models list` shows what there is")
    for version in (a, b):
        home.models.load(version)
    logged = newest(home, requests)
    if not logged:
        raise NotFound("No answer to a user was logged; serve a while, or ask with `foryou recommend USER`")
    rewound = Rewound(home, logged, on_progress)
    found: list[tuple[Exposure, int, Answer, Answer]] = []
    for done, one in enumerate(rewound.in_order, start=1):
        with suppress(Refused, KeyError):  # an arm of an experiment that the placement has no more
            pair = [rewound.answer(msgspec.structs.replace(one, bundle=version)) for version in (a, b)]
            found.append((one, rewound.actions(one), pair[0], pair[1]))
        on_progress("answer", done, len(logged))
    rewound.close()
    if not found:
        raise NotFound("None of the logged queries can be answered by both bundles; train again with `foryou train`")
    return _difference(a, b, found, len(logged) - len(found))


def newest(home: Home, requests: int) -> list[Exposure]:
    """Give the newest logged answers to users, as many as wanted; the log is read from its end."""
    found: list[Exposure] = []
    for partition, end in home.log.ends(Stream.EXPOSURES).items():
        own: list[Exposure] = []
        until = end
        while until >= 0 and len(own) < requests:
            start = max(-1, until - READ)
            own = [*_between(home, partition, start, until), *own]
            until = start
        found += own
    each = {one.recommendation_id: one for one in found}
    return sorted(each.values(), key=lambda one: -one.now_ms)[:requests]


def _between(home: Home, partition: int, start: int, until: int) -> Iterator[Exposure]:
    after = start
    while after < until and (entries := home.log.read(Stream.EXPOSURES, partition, after, READ)):
        for entry in entries:
            with suppress(Refused):  # the fold passes over it, too
                one = exposure_of(entry.record.body)
                if entry.offset <= until and one.user_id:
                    yield one
        after = entries[-1].offset


def _difference(
    a: str, b: str, found: Sequence[tuple[Exposure, int, Answer, Answer]], passed_over: int
) -> Difference:  # fmt: skip
    overlaps = np.array([_overlap(one, other) for _, _, one, other in found])
    users = np.unique([exposure.user_id for exposure, *_ in found], return_inverse=True)[1]
    low, high = metrics.interval(overlaps, users)
    before, after = (_categories([row[place] for row in found]) for place in (2, 3))  # type: ignore[misc]
    every = {name: (before.get(name, 0.0), after.get(name, 0.0)) for name in before | after}
    moved = sorted(every, key=lambda name: (-abs(every[name][1] - every[name][0]), name))
    groups: dict[str, list[int]] = defaultdict(list)
    for place, (_, actions, _, _) in enumerate(found):
        kind = "new users" if actions < NEW_USER else "heavy users" if actions >= HEAVY_USER else "all others"
        groups[kind].append(place)
    segments = {
        kind: Segment(
            len(places), float(overlaps[places].mean()), _score([found[place][2] for place in places]),
            _score([found[place][3] for place in places]),
        )
        for kind, places in sorted(groups.items())
    }  # fmt: skip
    return Difference(
        a, b, len(found), passed_over, float(overlaps.mean()), low, high,
        float(np.mean([_ids(one) == _ids(other) for _, _, one, other in found])),
        sum(abs(now - then) for then, now in every.values()) / 2, {name: every[name] for name in moved[:CATEGORIES]},
        segments, _examples(found, overlaps.tolist()),
    )  # fmt: skip


def _ids(answer: Answer) -> list[str]:
    return [item.item_id for item in answer.items[:TOP]]


def _overlap(one: Answer, other: Answer) -> float:
    ours, theirs = _ids(one), _ids(other)
    most = max(len(ours), len(theirs))
    return len({*ours} & {*theirs}) / most if most else 1.0


def _categories(answers: Sequence[Answer]) -> dict[str, float]:
    """Give the share of each (first) category in what is shown."""
    count: Counter[str] = Counter()
    for answer in answers:
        catalog = answer.view.catalog
        for item_id in _ids(answer):
            count[catalog.category_name(int(catalog.category[catalog.number(item_id)])) or "(none)"] += 1
    return {name: n / count.total() for name, n in count.items()}


def _score(answers: Sequence[Answer]) -> float:
    scores = [item.score for answer in answers for item in answer.items[:TOP]]
    return float(np.mean(scores)) if scores else 0.0


def _examples(found: Sequence[tuple[Exposure, int, Answer, Answer]], overlaps: list[float]) -> list[Example]:
    """Give the users whose lists change most, each once."""
    shown: dict[str, Example] = {}
    for place in sorted(range(len(found)), key=lambda place: (overlaps[place], found[place][0].user_id)):
        exposure, _, one, other = found[place]
        if exposure.user_id not in shown and overlaps[place] < 1:
            both = {*_ids(one)} & {*_ids(other)}
            shown[exposure.user_id] = Example(
                exposure.user_id, exposure.placement, overlaps[place], _titles(one.items, both),
                _titles(other.items, both),
            )  # fmt: skip
        if len(shown) == EXAMPLES:
            break
    return list(shown.values())


def _titles(items: Sequence[Shown], both: set[str]) -> list[str]:
    return [item.title or item.item_id for item in items[:TOP] if item.item_id not in both]
