"""How does anybody's own data come in? A short TOML file says which columns mean what; here it is read and followed."""

from foryou.ingest.importers.mapping.guess import Guess, guess
from foryou.ingest.importers.mapping.layout import Mapped, mapped
from foryou.ingest.importers.mapping.parse import parse
from foryou.ingest.importers.mapping.schema import Mapping
from foryou.ingest.importers.mapping.shipped import named, shipped

__all__ = ["Guess", "Mapped", "Mapping", "guess", "mapped", "named", "parse", "shipped"]
