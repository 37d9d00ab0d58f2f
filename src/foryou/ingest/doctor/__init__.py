"""Is this log fit to learn from? One class per check; another one is a class here and a line in CHECKS."""

from collections.abc import Callable

from foryou.ingest.doctor.bombs import Bombs
from foryou.ingest.doctor.bots import Bots
from foryou.ingest.doctor.clocks import Clocks
from foryou.ingest.doctor.examine import Examined, examine, scope
from foryou.ingest.doctor.finding import Check, Finding, Scope, Severity
from foryou.ingest.doctor.leaks import BeforeTheItem, FutureInTheCatalog, Newcomers
from foryou.ingest.doctor.orphans import Damaged, Orphans, Profiles
from foryou.ingest.doctor.repeats import Repeats
from foryou.ingest.doctor.taste import Taste

CHECKS: tuple[Callable[[Scope], Check], ...] = (
    Damaged,
    Orphans,
    Profiles,
    Clocks,
    Repeats,
    Bots,
    Bombs,
    Taste,
    BeforeTheItem,
    FutureInTheCatalog,
    Newcomers,
)

__all__ = ["CHECKS", "Check", "Examined", "Finding", "Scope", "Severity", "examine", "scope"]
