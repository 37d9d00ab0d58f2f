"""How are tables made on one machine? Parquet scanned lazily by polars; the reference that other engines must equal."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foryou.domain.clock import DAY_MS
from foryou.domain.event import ABOUT_ITEMS, ACTIONS, CODE, Action
from foryou.domain.tables import EXAMPLES, REASONS, Cleaned, Tables, Wanted
from foryou.train import als, people
from foryou.train.dataset import Interactions

LEARNED = sorted(CODE[action] for action in ABOUT_ITEMS - {Action.IMPRESSION})
EARLIEST_MS = 631_152_000_000  # 1990
SAID = (
    "event_id", "user_id", "item_id", "action", "at_ms", "value", "session_id", "recommendation_id", "device",
)  # fmt: skip
SAME = ("user_id", "item_id", "action", "at_ms", "value")
Progress = Callable[[int, int], None]
BUCKETS = 1 << 16  # of users by hash, for samples
PEOPLE = {
    "user_id": pl.String, "verdict": pl.String, "why": pl.String, "actions": pl.Int64, "positives": pl.Int64,
    "dislikes": pl.Int64, "items": pl.Int64, "first_ms": pl.Int64, "last_ms": pl.Int64, "core": pl.Binary,
    "history": pl.Binary, "seen": pl.Binary,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Local:
    """The Engine on this machine: polars and our own ALS."""

    def tables(self, wanted: Wanted, on_progress: Progress) -> Tables:
        """Make the tables; each file appears whole or not at all."""
        rows = _flagged(_rows(wanted), wanted.clean).collect()
        on_progress(1, 3)
        good = rows.filter(pl.col("reason") == "").drop("reason")
        users = _people(good)
        on_progress(2, 3)
        found = Tables(wanted.folder / "snapshot.parquet", wanted.folder / "users.parquet")
        bots = users.filter(pl.col("verdict") != "") if wanted.clean else users.clear()
        kept = good.join(bots, on="user_id", how="anti") if len(bots) else good
        _written(users, found.users)
        _written(kept.select(SAID).sort("at_ms", "event_id"), found.interactions)
        on_progress(3, 3)
        return Tables(found.interactions, found.users, (*_invalid(rows), *_bots(bots)))

    def factorise(
        self, log: Interactions, how: als.AlsSettings, on_progress: Progress, start: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Give the item vectors float32 [N+1, D]."""
        return als.factorise(log, how, on_progress, start)

    def close(self) -> None:
        """There is nothing to let go of."""


def _scan(paths: Sequence[str], wanted: Wanted) -> pl.LazyFrame:
    return pl.scan_parquet(list(paths), storage_options=dict(wanted.options) or None, hive_partitioning=False)


def _rows(wanted: Wanted) -> pl.LazyFrame:
    """Give the events about items of the window, of the sampled users, under the names that they have now."""
    merged = (
        _scan(wanted.everything, wanted)
        .filter((pl.col("action") == CODE[Action.ALIAS]) & (pl.col("unit") == "from"))
        .sort("at_ms", "event_id")
        .unique("query", keep="last", maintain_order=True)
        .select(user_id="query", became="user_id", became_hash="user_hash")
    )
    rows = _scan(wanted.parts, wanted).filter(
        pl.col("action").is_in(LEARNED) & (pl.col("received_ms") >= wanted.since_ms)
    )
    rows = rows.join(merged, on="user_id", how="left").with_columns(
        user_id=pl.coalesce("became", "user_id"), user_hash=pl.coalesce("became_hash", "user_hash")
    )
    if wanted.sample < 1:
        rows = rows.filter((pl.col("user_hash") & (BUCKETS - 1)) < round(wanted.sample * BUCKETS))
    return rows.select(*SAID, "received_ms")


def _flagged(rows: pl.LazyFrame, clean: bool) -> pl.LazyFrame:
    """Add why an event is left out, "" = it is not, in the order of (user_id, at_ms, event_id)."""
    rows = rows.sort("user_id", "at_ms", "event_id")
    if not clean:
        return rows.with_columns(reason=pl.lit(""))
    value = pl.col("value")
    reason = (
        pl.when(pl.col("item_id") == "").then(pl.lit("no item"))
        .when(pl.col("at_ms") < EARLIEST_MS).then(pl.lit("before 1990"))
        .when(pl.col("at_ms") > pl.col("received_ms") + DAY_MS).then(pl.lit("future"))
        .when(value.is_not_null() & ~value.is_finite()).then(pl.lit("no number"))
        .when(~pl.struct(SAME).is_first_distinct()).then(pl.lit("duplicate"))
        .otherwise(pl.lit(""))
    )  # fmt: skip
    return rows.with_columns(reason=reason)


def _people(rows: pl.DataFrame) -> pl.DataFrame:
    def pieces() -> Iterator[dict[str, list[Any]]]:
        for piece in rows.select(people.NEEDED).iter_slices(people.BATCH):
            yield piece.to_dict(as_series=False)

    tables = [pl.DataFrame(people.people(piece), schema=PEOPLE) for piece in people.whole(pieces(), people.BATCH)]
    return pl.concat(tables) if tables else pl.DataFrame(schema=PEOPLE)


def _invalid(rows: pl.DataFrame) -> Iterator[Cleaned]:
    bad = rows.filter(pl.col("reason") != "").sort("at_ms", "event_id")
    for reason in REASONS:
        if len(found := bad.filter(pl.col("reason") == reason)):
            examples = tuple(example(*row) for row in found.select(SAID[:5]).head(EXAMPLES).iter_rows())
            yield Cleaned(reason, len(found), found["user_id"].n_unique(), examples)


def _bots(bots: pl.DataFrame) -> Iterator[Cleaned]:
    for verdict in ("rate", "regularity", "flood"):
        if len(found := bots.filter(pl.col("verdict") == verdict)):
            first = found.select("user_id", "why").head(EXAMPLES).iter_rows()
            said = tuple(f"user {user}: {why}" for user, why in first)
            yield Cleaned(f"bots: {verdict}", int(found["actions"].sum()), len(found), said)


def example(event_id: str, user_id: str, item_id: str, action: int, at_ms: int) -> str:
    """Give an event as one line of a report."""
    return f"{event_id}: user {user_id} {ACTIONS[action]} {item_id} at_ms {at_ms}"


def _written(table: pl.DataFrame, path: Path) -> None:
    part = path.with_suffix(".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    table.write_parquet(part, compression="zstd")
    part.rename(path)
