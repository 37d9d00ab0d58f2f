"""What came of an experiment? Read from the log, for the API and the command line."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from foryou.domain.clock import DAY_MS
from foryou.domain.errors import NotFound, Refused
from foryou.domain.event import Event
from foryou.domain.experiment import INTERLEAVE, Experiment
from foryou.domain.exposure import Exposure
from foryou.domain.log import Stream
from foryou.domain.ports import EventLog, ItemStore
from foryou.ingest.codec import event_of, experiment_of, exposure_of
from foryou.trial.estimate import FEW, Sample, mean_of
from foryou.trial.interleave import Credit, credited
from foryou.trial.outcomes import Gathering, Outcomes, gathered
from foryou.trial.power import noise
from foryou.trial.report import ExperimentReport, interleaved, report

T = TypeVar("T")
READ = 5_000
Report = Callable[[str, int, int], None]


def quiet(step: str, done: int, total: int) -> None:
    """Hear of progress and say nothing."""


def report_of(log: EventLog, items: ItemStore, one: Experiment, on_progress: Report = quiet) -> ExperimentReport:
    """Give what is known of an experiment at this moment."""
    if one.kind == INTERLEAVE:
        return interleaved(one, credit_of(log, one, on_progress))
    outcomes, count = outcomes_of(log, items, one, on_progress)
    return report(one, outcomes, dealt_ms(log, one), count)


def outcomes_of(log: EventLog, items: ItemStore, one: Experiment, on_progress: Report = quiet) -> tuple[Outcomes, int]:
    """Give what came of an experiment per user, and how many items there are. Reads the whole log."""
    first = {item.item_id: item.categories[0] if item.categories else "" for item in items.scan()}
    gathering = Gathering(
        one.name, tuple(arm.name for arm in one.arms), (one.start_ms, one.stop_ms), int(one.pre_days * DAY_MS),
        lambda item_id: first.get(item_id, ""),
    )  # fmt: skip
    exposures: Iterator[Exposure] = _all(log, Stream.EXPOSURES, exposure_of, on_progress)
    events: Iterator[Event] = _all(log, Stream.EVENTS, event_of, on_progress)
    return gathered(gathering, exposures, events), len(first)


def credit_of(log: EventLog, one: Experiment, on_progress: Report = quiet) -> Credit:
    """Give whose picks were clicked, where two arms fill each list. Reads the whole log."""
    both = "/".join(arm.name for arm in one.arms)
    gathering = Gathering(one.name, (both,), (one.start_ms, one.stop_ms), 0, lambda item_id: "")
    shown = []
    for exposure in _all(log, Stream.EXPOSURES, exposure_of, on_progress):
        gathering.expose(exposure)
        if exposure.experiment == one.name and exposure.arm == both and exposure.now_ms >= one.start_ms:
            shown.append(exposure)
    for event in _all(log, Stream.EVENTS, event_of, on_progress):
        gathering.act(event)
    return credited(shown, gathering.clicked())


def noise_of(log: EventLog, items: ItemStore, metric: str, on_progress: Report) -> tuple[float, float, int]:
    """Give the noise of a metric over all that was ever shown, its value, and the users. Raises NotFound."""
    first = {item.item_id: item.categories[0] if item.categories else "" for item in items.scan()}
    gathering = Gathering("", ("main",), (1, 0), 0, lambda item_id: first.get(item_id, ""))
    outcomes = gathered(
        gathering,
        (
            msgspec.structs.replace(one, experiment="", arm="main")
            for one in _all(log, Stream.EXPOSURES, exposure_of, on_progress)
        ),
        _all(log, Stream.EVENTS, event_of, on_progress),
    )
    sample = Sample(*outcomes.sample(metric, 0))
    if not sample.enough():
        raise NotFound(f"Too few users have anything that counts for {metric}, {FEW} are needed; wait for more of them")
    return noise(sample), mean_of(sample).value, len(sample)


def dealt_ms(log: EventLog, one: Experiment) -> int:
    """Give when users were dealt as they are now: the last change of slots or salt, or the start."""
    dealt, held = one.start_ms, None
    changes = [change for change in _all(log, Stream.EXPERIMENTS, experiment_of, quiet) if change.name == one.name]
    for change in changes:
        if held is not None and (change.now.slots, change.now.salt) != held:
            dealt = max(dealt, change.received_ms)
        held = change.now.slots, change.now.salt
    return dealt


def _all(log: EventLog, stream: Stream, decode: Callable[[bytes], T], on_progress: Report) -> Iterator[T]:
    ends = log.ends(stream)
    total, done = sum(end + 1 for end in ends.values()), 0
    for partition, end in ends.items():
        after = -1
        while after < end and (entries := log.read(stream, partition, after, READ)):
            for entry in entries:
                try:
                    yield decode(entry.record.body)
                except Refused:
                    continue  # the fold passes over it, too
            after, done = entries[-1].offset, done + len(entries)
            on_progress(f"read {stream}", done, total)
