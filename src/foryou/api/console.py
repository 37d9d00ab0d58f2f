"""What do operators see of the models? The release in force and the newest bundles, asked for now and then."""

import asyncio
import time

from foryou.api import schema
from foryou.api.models import REPORT
from foryou.api.parts import Parts
from foryou.domain.bundle import Manifest
from foryou.domain.errors import Unavailable

NEWEST = 20  # bundles that are shown
KEPT_S = 5.0  # between looks into the model store, which may be far away


class Console:
    """Gives what this process serves and knows."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._manifests: list[Manifest] = []
        self._away, self._due = "", 0.0

    async def models(self) -> schema.Console:
        """Give release and bundles. While the model store is away: those known last, and `away` says so."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + KEPT_S
            await asyncio.to_thread(self._look)
        live, release = self._parts.live, self._parts.live.release
        arms = live.arms()
        return schema.Console(
            release.generation, release.reason,
            {name: [schema.ConsoleShare(*one) for one in shares] for name, shares in release.families.items()},
            len(arms[0].view.catalog) if arms else 0,
            [_bundle(one) for one in reversed(self._manifests)], dict(live.refused), self._away or live.away,
        )  # fmt: skip

    def _look(self) -> None:
        try:
            self._manifests, self._away = self._parts.models.versions()[-NEWEST:], ""
        except Unavailable as error:
            self._away = str(error)


def _bundle(one: Manifest) -> schema.ConsoleBundle:
    return schema.ConsoleBundle(
        one.version,
        one.created_ms,
        one.gate.verdict,
        one.gate.reason,
        one.ranker,
        one.report | one.gate.metrics,
        any(name.endswith(f"/{REPORT}") for name in one.checksums),
    )
