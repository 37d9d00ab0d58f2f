"""Which seams does foryou have? Twelve protocols; a backend is one class that keeps one of them.

Every promise of a store is a test in `tests/contracts`, run over every backend.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from foryou.domain.bundle import Manifest, ModelBundle
from foryou.domain.catalog import Catalog
from foryou.domain.errors import Unavailable
from foryou.domain.item import Item
from foryou.domain.log import Appended, Entry, Position, Record, Stream
from foryou.domain.records import Change, Tallies, Trending, UserRecord
from foryou.domain.release import Release
from foryou.domain.slate import QueryBatch, Slate
from foryou.domain.tables import Tables, Wanted

Log = TypeVar("Log", contravariant=True)
How = TypeVar("How", contravariant=True)


class TimeSource(Protocol):
    """Anything that tells the time."""

    def now_ms(self) -> int:
        """Give the present, ms since 1970 UTC."""
        ...


class Share(Protocol):
    """The partitions that one worker folds, while others of its group fold the rest.

    holder: who writes, as a feature store knows it; a group is one holder, for what it writes never overlaps.
    alone: nobody else can belong to it.
    """

    holder: str
    alone: bool

    def partitions(self) -> Sequence[int]:
        """Give the partitions that are its own now. To be asked every few seconds: who is silent loses them."""
        ...

    def folded(self, through: Position) -> None:
        """Tell whoever watches the log through which offsets of `events` partitions are folded for good."""
        ...

    def close(self) -> None:
        """Leave; others take the partitions over at once."""
        ...


class EventLog(Protocol):
    """Streams of records. A key's records share a partition and keep their order.

    At least once: a client's retry may be a second record; fold and archive drop repeats by id.
    """

    def append(self, stream: Stream, records: Sequence[Record]) -> Appended:
        """Store the records; they are durable when this returns. All of them, or Unavailable is raised."""
        ...

    def partitions(self) -> int:
        """Give the number of partitions of every stream."""
        ...

    def read(self, stream: Stream, partition: int, after: int, limit: int, fresh: bool = True) -> list[Entry]:
        """Give up to `limit` records with offsets above `after` (-1: from the start), in order.

        fresh: all that anybody has appended; else what has come here by itself is enough, for who asks again soon.
        """
        ...

    def ends(self, stream: Stream, exact: bool = True) -> Position:
        """Give the offset of the last record of each partition that has any.

        Not `exact`: cheap enough for a meter, but maybe of something behind it that is no record.
        """
        ...

    def changed(self, stream: Stream, partitions: Sequence[int] | None = None) -> int:
        """Give a ticket that differs from the one before if anybody has appended to these partitions (None: any).

        Cheap enough to poll. It means something to this object and these partitions only, and others may differ, too.
        """
        ...

    def share(self, group: str) -> Share:
        """Take part in folding this log: the members of a group divide its partitions between them."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


class FeatureStore(Protocol):
    """User records and trending counters, with the position of the log that they reflect."""

    def read(self, users: Sequence[str]) -> list[UserRecord | None]:
        """Give the record of each user in one round trip; None = never seen.

        Incomplete if some of them cannot be reached, Unavailable if none can.
        """
        ...

    def write(self, change: Change, token: int) -> None:
        """Write all of the change or nothing. StalePosition if `after` is not what is stored, or the lease is lost."""
        ...

    def write_all(self, changes: Sequence[Change], token: int) -> list[Unavailable | None]:
        """Write changes of different partitions, each as `write` does; gives why some could not be reached.

        What `write` refuses is raised when all have been tried.
        """
        ...

    def position(self, partition: int) -> dict[str, int]:
        """Give stream -> offset that the records of a partition reflect; {} = nothing yet."""
        ...

    def trending(self) -> Trending:
        """Give the counters of the last hours."""
        ...

    def tallies(self) -> Tallies:
        """Give what came of showing items, in the last weeks."""
        ...

    def lease(self, holder: str, ttl_ms: int) -> int:
        """Take or keep the right to write; gives a token that grows with each holder. Conflict if another has it."""
        ...

    def release_lease(self, token: int) -> None:
        """Give the right back."""
        ...

    def folded_ms(self, partition: int, offset: int) -> int | None:
        """Give when this record of `events` became visible, on the store's clock; None = not yet, or too long ago."""
        ...

    def begin_generation(self) -> "FeatureStore":
        """Give a store that fills a new, empty generation beside the live one, under a lease of its own."""
        ...

    def switch_generation(self) -> None:
        """Make this generation the live one. Conflict as long as it reflects less of the log than the live one."""
        ...

    def name(self) -> str:
        """Give a name that no other store has, the same to all who open it, on any machine; empty = it has one home."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


class ItemStore(Protocol):
    """The documents of the items, by number of arrival, with the position of `items` that they reflect."""

    def read(self, item_ids: Sequence[str]) -> list[Item | None]:
        """Give the document of each item; None = unknown or deleted."""
        ...

    def write(self, items: Mapping[str, Item | None], partition: int, after: int, through: int) -> None:
        """Write all documents (None deletes) and the position, or nothing. StalePosition as in FeatureStore."""
        ...

    def position(self) -> Position:
        """Give the offsets of `items` that the documents reflect."""
        ...

    def scan(self) -> Iterator[Item]:
        """Give every document ever stored in the order of arrival; a deleted one as status `deleted`."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


class Sink(Protocol):
    """What bytes can be written to."""

    def write(self, data: bytes, /) -> int:
        """Write the bytes."""
        ...


class Archive(Protocol):
    """Objects by name, for what is read often and never changes in place: each appears whole or not at all."""

    def create(self, name: str, body: bytes) -> bool:
        """Put an object if there is none of this name: one of several racers gets True."""
        ...

    def put(self, name: str, fill: Callable[[Sink], object]) -> str:
        """Put what `fill` writes under a name that is used once; gives its checksum."""
        ...

    def replace(self, name: str, fill: Callable[[IO[bytes]], object]) -> None:
        """Put what `fill` writes in place of what is there."""
        ...

    def read(self, name: str) -> bytes:
        """Give an object. NotFound if there is none."""
        ...

    def names(self, prefix: str) -> list[str]:
        """Give the names of all objects below a prefix, in order."""
        ...

    def delete(self, names: Sequence[str]) -> None:
        """Delete objects, those that are not there any more, too."""
        ...

    def fetched(self, checksums: dict[str, str]) -> list[Path]:
        """Give local files with the bytes of objects that were `put` (name -> checksum), to be mapped."""
        ...

    def located(self, names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """Give paths or URLs that readers of Parquet open, and what they must be told of the store."""
        ...


class Engine(Protocol[Log, How]):
    """Who computes for training. All engines give equal tables of the same Parquet."""

    def tables(self, wanted: Wanted, on_progress: Callable[[int, int], None]) -> Tables:
        """Make the tables of a window of the archive; each appears whole or not at all."""
        ...

    def factorise(
        self, log: Log, how: How, on_progress: Callable[[int, int], None], start: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Give item vectors float32 [N+1, D], row 0 zero. `start`: vectors [<= N+1, D] to go on from; None = random."""
        ...

    def close(self) -> None:
        """Let go of processes and memory."""
        ...


class ModelStore(Protocol):
    """Bundles, catalogs and releases. A half-written one is never visible."""

    def publish(self, bundle: ModelBundle) -> str:
        """Store the bundle, manifest last; gives its version. Conflict if the version exists."""
        ...

    def load(self, version: str) -> ModelBundle:
        """Give a bundle with checksums verified and arrays mapped. NotFound, or Refused if it is damaged."""
        ...

    def versions(self) -> list[Manifest]:
        """Give the manifests of all complete bundles, oldest first."""
        ...

    def publish_catalog(self, catalog: Catalog) -> str:
        """Store the catalog; gives its version."""
        ...

    def load_catalog(self, version: str) -> Catalog:
        """Give a catalog, its arrays mapped."""
        ...

    def release(self) -> Release | None:
        """Give the release in force; None = nothing was promoted yet."""
        ...

    def last_release(self) -> Release | None:
        """Give the release that this machine saw last, without asking a store that is elsewhere; None = none."""
        ...

    def releases(self) -> list[Release]:
        """Give all releases, oldest first."""
        ...

    def replace_release(self, new: Release, expected: int) -> None:
        """Put `new` in force if generation `expected` still is (0 = none yet); Conflict for all racers but one."""
        ...

    def sweep(self) -> int:
        """Delete what was left half-written long ago; gives the number of objects."""
        ...


class Feature(Protocol):
    """One input of the ranker. `of_history`: what was done before moves it; all others stay if it is forgotten."""

    name: str
    of_history: bool

    def fill(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> None:
        """Fill out [B, C] with the input's value for each candidate item [B, C]; 0 where nothing is known."""
        ...

    def without(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> bool:
        """Fill out [B, L, C] with the values if history entry l were not there; False = does not depend on history."""
        ...


class Source(Protocol):
    """Where candidates come from. Only adds, at most `places` per query; `always`: even past the deadline."""

    name: str
    places: int
    always: bool

    def propose(self, batch: QueryBatch, slate: Slate) -> None:
        """Propose candidates for every query."""
        ...


class Ranker(Protocol):
    """What a candidate is worth. Only scores; order and shape are kept."""

    def score(self, batch: QueryBatch, slate: Slate, out: NDArray[np.float32]) -> None:
        """Fill out [B, C] with the score of each candidate."""
        ...


class Rule(Protocol):
    """What may be shown. Only drops, pins or raises. Essential rules fail closed, others fail open and are counted."""

    name: str
    essential: bool

    def apply(self, batch: QueryBatch, slate: Slate) -> None:
        """Drop, pin or raise candidates."""
        ...
