"""What can be asked and said of bundles? What is rolled out, how it does, and what shall become of it."""

from pathlib import Path

from foryou.api import schema
from foryou.api.schema.models import SteerAction
from foryou.domain.errors import Invalid, NotFound
from foryou.domain.ports import ModelStore, TimeSource
from foryou.domain.release import Release, Step
from foryou.domain.rollout import active, steps_of
from foryou.ingest.collector import check_id
from foryou.observe.evidence import Notes
from foryou.serve.steering import begin, steer

REPORT = "report.html"


class Bundles:
    """Shows and steers what serves. watch_s: s that a bundle put in force at once is watched. For any thread."""

    def __init__(self, models: ModelStore, clock: TimeSource, home: Path, schedule: str, watch_s: float) -> None:
        self._models, self._clock, self._notes = models, clock, Notes(home)
        self._schedule, self._watch = schedule, (Step(1.0, int(watch_s * 1e3)),)

    def get(self) -> schema.Models:
        """Give the release in force, its rollout, and what is known of old and new bundle on this machine."""
        return self._told(self._models.release())

    def steer(self, said: schema.Steer) -> schema.Models:
        """Do what is said; gives what is in force then. Raises Invalid, NotFound, and Conflict where it cannot be."""
        why, now_ms = said.why or "by hand", self._clock.now_ms()
        if said.action in (SteerAction.PROMOTE, SteerAction.ROLLOUT):
            check_id("version", said.version)
            return self._told(begin(self._models, said.version, self._steps(said), now_ms, f"{said.action}: {why}"))
        if said.version or said.schedule:
            raise Invalid("version", f"means nothing for {said.action.value!r}", "leave version and schedule out")
        return self._told(steer(self._models, said.action, now_ms, why))

    def _steps(self, said: schema.Steer) -> tuple[Step, ...]:
        if said.action is SteerAction.PROMOTE:
            return self._watch
        schedule = said.schedule or self._schedule
        if not schedule:
            raise Invalid("schedule", "is missing", "say shadow:10m,10:1h,50:6h,100:1h, or set rollout.schedule")
        return steps_of(schedule)

    def report(self, version: str) -> bytes:
        """Give the report of a bundle, a page of HTML. Raises NotFound."""
        try:
            page = self._models.load(version).files.get(REPORT)
        except Invalid:
            raise NotFound(f"There is no bundle {version!r}; GET /v1/console lists the newest") from None
        if page is None:
            raise NotFound(
                f"Bundle {version} has no report: `foryou train --daily` writes one, `foryou train` does not"
            )
        return page.read_bytes()

    def _told(self, held: Release | None) -> schema.Models:
        if held is None:
            return schema.Models(0, "", [], None, [], None)
        shares = [schema.ConsoleShare(*one) for one in next(iter(held.families.values()))]
        rollout, under_way = held.rollout, active(held, self._clock.now_ms())
        if rollout is None:
            return schema.Models(held.generation, held.reason, shares, None, [], None)
        state = "returned" if rollout.ended else "done" if not under_way else "paused" if rollout.paused else "running"
        told = schema.RolloutOut(
            rollout.old, rollout.new, state, rollout.ended, [schema.StepOut(s.share, s.hold_ms) for s in rollout.steps],
            rollout.at, rollout.since_ms, rollout.begun_ms,
        )  # fmt: skip
        return schema.Models(
            held.generation, held.reason, shares, told, self._notes.read(rollout.begun_ms),
            self._notes.compared(rollout.new),
        )  # fmt: skip
