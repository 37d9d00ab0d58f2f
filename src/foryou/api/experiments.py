"""Who keeps the experiments? The log does; here they are checked, written and read back, for the API and the CLI."""

import threading
from collections.abc import Mapping
from typing import Any

import msgspec

from foryou.api import schema
from foryou.config import Placement
from foryou.domain.errors import Conflict, Invalid, NotFound
from foryou.domain.experiment import (
    MAX_EXPERIMENTS,
    NO_EXPERIMENTS,
    SLOTS,
    Arm,
    Experiment,
    ExperimentChange,
    Experiments,
    Guardrail,
    begun,
    checked,
    without,
)
from foryou.domain.log import Stream
from foryou.domain.ports import EventLog, TimeSource
from foryou.ingest.codec import experiment_of, experiment_record
from foryou.ingest.collector import check_id
from foryou.serve.experiments import followed, varied


class Registry:
    """Puts, gives and stops experiments. What it gives is what the log says at this moment. For any thread."""

    def __init__(self, log: EventLog, clock: TimeSource, placements: Mapping[str, Placement]) -> None:
        self._log, self._clock, self._placements = log, clock, placements
        self._known, self._lock = NO_EXPERIMENTS, threading.Lock()

    def put(self, name: str, body: schema.ExperimentIn) -> schema.ExperimentOut:
        """Store an experiment; durable when this returns. Users move only where shares changed.

        Raises Invalid, or Conflict where another one runs at the same placement and time, or there are too many.
        """
        check_id("name", name)
        known, now_ms = self.read(), self._clock.now_ms()
        held = known.by_name.get(name)
        made = begun(checked(_experiment(name, body)), held, now_ms)
        if made.stop_ms and made.stop_ms <= made.start_ms:
            raise Invalid("stop_ms", f"{made.stop_ms} is not after the start, {made.start_ms}", "send a later one")
        self._check(made)
        if other := known.clash(made):
            raise Conflict(
                f"Experiment {other.name!r} runs at the same placement and time; stop it, choose other placements, "
                "or make what you compare more arms of one experiment"
            )
        if held is None and len(known.by_name) >= MAX_EXPERIMENTS:
            raise Conflict(
                f"There are {len(known.by_name)} experiments, limit {MAX_EXPERIMENTS}; reuse the name of one"
            )
        return self._kept(made, now_ms)

    def apply(self, said: Mapping[str, Any]) -> dict[str, str]:
        """Begin or change these experiments, by name; gives what became of each: begun, changed, same or ended.

        One that was stopped stays so. Raises Invalid with the name and the field before anything is stored.
        """
        bodies, found = dict[str, schema.ExperimentIn](), dict[str, str]()
        for name, body in said.items():
            try:
                bodies[name] = msgspec.convert(body, schema.ExperimentIn)
            except msgspec.ValidationError as error:
                raise Invalid(f"experiments.{name}", str(error), "docs/experiments.md has one that works") from None
        for name, body in bodies.items():
            held, now_ms = self.read().by_name.get(name), self._clock.now_ms()
            if held is not None and held.ended(now_ms) and not body.stop_ms:
                found[name] = "ended"
            elif held is not None and begun(checked(_experiment(name, body)), held, now_ms) == held:
                found[name] = "same"
            else:
                self.put(name, body)
                found[name] = "begun" if held is None else "changed"
        return found

    def stop(self, name: str) -> schema.ExperimentOut:
        """End an experiment now; what was measured stays. Raises NotFound."""
        experiment, now_ms = self.one(name), self._clock.now_ms()
        if experiment.ended(now_ms):
            return self.out(experiment)
        start_ms = min(experiment.start_ms, now_ms - 1)  # one that has not begun yet never will
        return self._kept(msgspec.structs.replace(experiment, start_ms=start_ms, stop_ms=now_ms), now_ms)

    def stop_arm(self, name: str, arm: str) -> schema.ExperimentOut:
        """Give the users of an arm to the control. Raises NotFound and Invalid."""
        return self._kept(without(self.one(name), arm), self._clock.now_ms())

    def one(self, name: str) -> Experiment:
        """Give an experiment. Raises NotFound."""
        check_id("name", name)
        found = self.read().by_name.get(name)
        if found is None:
            raise NotFound(f"There is no experiment {name!r}; PUT /v1/experiments/{{name}} makes one")
        return found

    def get(self, name: str) -> schema.ExperimentOut:
        """Give an experiment as the API shows it. Raises NotFound."""
        return self.out(self.one(name))

    def all(self) -> schema.ExperimentsOut:
        """Give all experiments in the order of their names."""
        return schema.ExperimentsOut([self.out(one) for one in self.read().by_name.values()])

    def read(self) -> Experiments:
        """Give the experiments as the log has them."""
        with self._lock:
            self._known = followed(self._log, self._known, experiment_of)
            return self._known

    def out(self, one: Experiment) -> schema.ExperimentOut:
        """Give an experiment as the API shows it."""
        now_ms = self._clock.now_ms()
        state = "ended" if one.ended(now_ms) else "running" if one.start_ms <= now_ms else "planned"
        counts = dict.fromkeys((arm.name for arm in one.arms), 0)
        for arm, count in one.slots:
            counts[arm] += count
        arms = [
            schema.ArmOut(arm.name, counts[arm.name] / SLOTS, arm.family, arm.sources, arm.ranker, arm.rules)
            for arm in one.arms
        ]
        guards = [schema.GuardrailOut(guard.metric, guard.drop) for guard in one.guardrails]
        return schema.ExperimentOut(
            one.name, state, arms, list(one.placements), one.salt, one.start_ms, one.stop_ms, one.metric, one.effect,
            guards, one.pre_days, [list(run) for run in one.slots], one.kind,
        )  # fmt: skip

    def _check(self, one: Experiment) -> None:
        for place, name in enumerate(one.placements):
            if name not in self._placements:
                known = ", ".join(self._placements)
                raise Invalid(f"placements/{place}", f"placement {name!r} is not configured", f"use one of {known}")
        for name in one.placements or self._placements:
            for place, arm in enumerate(one.arms):
                varied(self._placements[name], arm, f"arms/{place}")

    def _kept(self, one: Experiment, now_ms: int) -> schema.ExperimentOut:
        self._log.append(
            Stream.EXPERIMENTS, [experiment_record(ExperimentChange(name=one.name, received_ms=now_ms, now=one))]
        )
        return self.out(one)


def _experiment(name: str, body: schema.ExperimentIn) -> Experiment:
    arms = tuple(
        Arm(name=arm.name, share=arm.share, family=arm.family, sources=arm.sources, ranker=arm.ranker, rules=arm.rules)
        for arm in body.arms
    )
    return Experiment(
        name=name, arms=arms, placements=tuple(body.placements), salt=body.salt, start_ms=body.start_ms,
        stop_ms=body.stop_ms, metric=body.metric, effect=body.effect, pre_days=body.pre_days,
        guardrails=tuple(Guardrail(guard.metric, guard.drop) for guard in body.guardrails), kind=body.kind,
    )  # fmt: skip
