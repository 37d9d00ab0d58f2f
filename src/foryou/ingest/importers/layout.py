"""What does a layout offer? Everything in its files, one thing after the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from foryou.domain.event import Event
from foryou.domain.item import ItemChange
from foryou.domain.records import UserChange
from foryou.ingest.importers.table import BadLine


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that was left out on purpose: the mapping says so."""


Line = ItemChange | UserChange | Event | BadLine | Skipped


class Layout(Protocol):
    """Files of a known form. Every line that is not blank comes out as one thing, a bad one as BadLine."""

    @property
    def name(self) -> str:
        """Give the name of the layout; it is part of every event's id."""
        ...

    def read(self) -> Iterator[Line]:
        """Give lazily and in file order all items, then all users, then all events."""
        ...
