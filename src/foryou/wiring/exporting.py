"""How does a bundle leave the home in a form that other tools read?"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from foryou.domain.errors import NotFound
from foryou.train import parquet
from foryou.wiring.home import Home
from foryou.wiring.models import FEATURES, SCHEMAS


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and which files of the bundle were left out: they have a form of their own."""

    version: str
    folder: str
    files: list[str]
    left_out: list[str]


def exported(home: Home, version: str | None, folder: Path | None, on_progress: Callable[[int, int], None]) -> Exported:
    """Write a bundle, without a version the one in force, into a folder, without one `exports/VERSION` of the home.

    Raises NotFound for an unknown version or where none is in force, Conflict if the folder exists.
    """
    if version is None:
        held = home.models.release()
        if held is None:
            raise NotFound("No bundle is in force; name a version (`foryou models list`), or train with `foryou train`")
        version = held.version
    bundle = home.models.load(version)
    where = folder or Path(home.config.home) / "exports" / version
    inputs = SCHEMAS.get(bundle.manifest.schema, FEATURES)
    files = parquet.export(bundle, home.models.load_catalog(bundle.manifest.catalog), inputs, where, on_progress)
    return Exported(version, str(where), files, sorted(bundle.files))
