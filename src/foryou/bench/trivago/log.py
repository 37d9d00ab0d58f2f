"""How is the trivago log read? Events in time order, hotels as numbers, each clickout with what was shown."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foryou.domain.errors import Invalid

FILE = "trivago_val_100k.parquet.snappy"
CLICKOUT = "clickout item"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log; item 0 = the reference is no hotel. Clickouts have `shown`, `prices`, top first."""

    user: str
    session: str
    at_s: int
    step: int
    action: str
    item: int
    reference: str
    device: str
    filters: tuple[str, ...]
    shown: NDArray[np.int32]
    prices: NDArray[np.float32]


def located(folder: Path) -> Path:
    """Give the log's file in this folder or in its `trivago`.

    Raises Invalid where it is not.
    """
    for path in (folder / FILE, folder / "trivago" / FILE):
        if path.is_file():
            return path
    raise Invalid("--data", f"{folder} holds no {FILE}, nor does its folder trivago", "name the folder that does")


def read(path: Path) -> Iterator[Event]:
    """Give the events in time order; those of a session in the order of its steps."""
    numbers: dict[str, int] = {}

    def number(reference: str) -> int:
        return numbers.setdefault(reference, len(numbers) + 1) if reference.isdecimal() else 0

    columns = (
        "user_id", "session_id", "timestamp", "step", "action_type", "reference", "device", "current_filters",
        "impressions", "prices",
    )  # fmt: skip
    rows = pl.read_parquet(path, columns=list(columns)).sort("timestamp", "user_id", "session_id", "step")
    for row in rows.iter_rows(named=True):
        yield _event(row, number)


def _event(row: dict[str, Any], number: Callable[[str], int]) -> Event:
    shown = [number(one) for one in (row["impressions"] or "").split("|") if one]
    return Event(
        user=row["user_id"], session=row["session_id"], at_s=row["timestamp"], step=row["step"],
        action=row["action_type"], item=number(row["reference"] or ""), reference=row["reference"] or "",
        device=row["device"] or "", filters=tuple(one for one in (row["current_filters"] or "").split("|") if one),
        shown=np.array(shown, np.int32),
        prices=np.array([float(one) for one in (row["prices"] or "").split("|") if one], np.float32),
    )  # fmt: skip
