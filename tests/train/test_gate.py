"""Does the gate say no where it should, and why, and does the page show what it rests on?"""

from html.parser import HTMLParser
from typing import Any

import msgspec
import numpy as np
import pytest

from foryou.domain.bundle import Gate, Manifest
from foryou.domain.clock import DAY_MS
from foryou.domain.tables import Cleaned
from foryou.train import gate, report
from foryou.train.dataset import Interactions
from foryou.train.metrics import area

GOOD = gate.Judged(
    events=900, users=80, since_ms=1_767_000_000_000, days=7.0,
    pipeline={"ndcg_at_10": 0.10, "ndcg_low": 0.09, "ndcg_high": 0.11, "hr_at_10": 0.2, "precision_at_10": 0.02},
    popularity={"ndcg_at_10": 0.05, "ndcg_low": 0.04, "ndcg_high": 0.06},
    ratio={"value": 2.0, "low": 1.8, "high": 2.2},
    lists={"catalog_coverage": 0.5, "categories_per_list": 4.0, "intra_list_diversity": 0.7, "novelty_bits": 9.0},
    time_split={
        "precision_at_10": 0.1, "recall_at_10": 0.1, "ndcg_at_10": 0.1, "auc": 0.8, "candidate_recall_at_1000": 0.9,
    },
    slices={"new_users": {"events": 90, "ndcg_at_10": 0.2, "popularity": 0.1}},
    new_users={"no_history": {"lists": 40, "coverage": 1.0, "categories_per_list": 5.0}},
    sources={"collaborative": 10, "popular": 5}, by_day={20_450: (100, 0.1), 20_451: (120, 0.12)},
)  # fmt: skip
BESIDE = gate.Compared(
    "old-1", 100, True, 0.8, 0.75, 0.85, 0.1, {"<Drama>": (0.5, 0.4)},
    {"new users": {"requests": 9, "overlap": 0.7, "log2_events_before": 5.0, "log2_events_now": 5.5}},
)  # fmt: skip
BEFORE = Gate("pass", "", {"ndcg_at_10": 0.10, "ndcg_low": 0.09})
ARRAYS = {"vectors": np.ones((3, 2), np.float32), "ids": np.zeros(3, np.int32)}


def with_ndcg(value: float, low: float, high: float) -> gate.Judged:
    figures = GOOD.pipeline | {"ndcg_at_10": value, "ndcg_low": low, "ndcg_high": high}
    return msgspec.structs.replace(GOOD, pipeline=figures)


def test_a_good_bundle_passes_and_the_reason_has_the_figures() -> None:
    found = gate.decide(GOOD, BESIDE, BEFORE, ARRAYS)
    assert found.verdict == "pass"
    assert "0.1000" in found.reason
    assert "80% in common with old-1" in found.reason
    assert found.metrics["auc"] == 0.8


@pytest.mark.parametrize(
    ("judged", "arrays", "said"),
    [
        (with_ndcg(0.04, 0.03, 0.05), ARRAYS, "worse than showing everybody what is popular"),
        (with_ndcg(0.06, 0.055, 0.065), ARRAYS, "far below that of the gate before"),
        (GOOD, {"vectors": np.array([1.0, np.nan])}, "array vectors holds numbers that are not finite"),
        (
            msgspec.structs.replace(GOOD, new_users={"no_history": {"lists": 4, "coverage": 0.5}}), ARRAYS,
            "only 50% of the lists",
        ),
    ],
)  # fmt: skip
def test_what_would_harm_is_refused_with_the_reason(judged: gate.Judged, arrays: dict[str, Any], said: str) -> None:
    found = gate.decide(judged, BESIDE, BEFORE, arrays)
    assert found.verdict == "refuse"
    assert said in found.reason


@pytest.mark.parametrize(
    ("judged", "beside", "said"),
    [
        (with_ndcg(0.051, 0.04, 0.095), None, "hardly better than popularity"),
        (with_ndcg(0.094, 0.08, 0.10), None, "below that of the gate before"),
        (GOOD, msgspec.structs.replace(BESIDE, overlap=0.1), "only 10% of what old-1 shows"),
        (GOOD, msgspec.structs.replace(BESIDE, shift=0.5), "50% of what is shown moves"),
        (gate.Judged(12, 3, 0, 0.0), None, "12 held-out events are too few"),
    ],
)
def test_what_is_doubtful_is_warned_of(judged: gate.Judged, beside: gate.Compared | None, said: str) -> None:
    found = gate.decide(judged, beside, BEFORE, ARRAYS)
    assert found.verdict == "warn"
    assert said in found.reason


def log_of(days: list[float]) -> Interactions:
    at_ms = np.array([int(day * DAY_MS) for day in days], np.int64)
    n = len(days)
    return Interactions(
        np.zeros(n, np.int32), np.ones(n, np.int32), at_ms, np.ones(n, np.float32), np.zeros(n, np.uint8),
        np.zeros(n, np.float32), [str(k) for k in range(n)], ["ann"], 1,
    )  # fmt: skip


def test_the_last_seven_days_are_held_out_if_they_hold_enough_and_not_too_much() -> None:
    assert gate.held_out(log_of([*np.linspace(0, 20, 600), *np.linspace(21, 28, 200)])) == 600
    assert gate.held_out(log_of([*np.linspace(0, 20, 990), *np.linspace(21, 28, 10)])) == 800  # too few
    assert gate.held_out(log_of(list(np.linspace(0, 6, 1_000)))) == 800  # all of it
    assert gate.held_out(log_of([])) == 0


def test_the_area_under_the_curve_is_the_share_of_pairs_in_the_right_order() -> None:
    assert area(np.array([True, False, True, False])) == [0.75]
    assert area(np.array([False, True])) == [0.0]
    assert area(np.array([True, True])) == []


class _Tags(HTMLParser):
    """Counts what is open, and what is fetched from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [f"{tag} {name}" for name, _ in attrs if name in ("src", "href", "data")]
        if tag not in ("meta", "br", "rect", "path", "circle", "line"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("rect", "path", "circle", "line"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("judged", [GOOD, gate.Judged(12, 3, 0, 0.0)], ids=["judged", "too few"])
@pytest.mark.parametrize("beside", [BESIDE, None], ids=["beside", "alone"])
def test_the_page_is_whole_fetches_nothing_and_shows_markup_as_text(
    judged: gate.Judged, beside: gate.Compared | None
) -> None:
    manifest = Manifest(
        version="v-1", family="main", created_ms=1_767_000_000_000, schema="s", catalog="c",
        gate=gate.decide(judged, beside, None, ARRAYS), report={"importance_popularity": 0.02},
    )  # fmt: skip
    left_out = [Cleaned("bots: rate", 400, 2, ("<b>bot-1</b>", "bot-2"))]
    tags = _Tags()
    tags.feed(report.page(manifest, judged, beside, left_out, {"fit": 12.5}, {"width": 128}))
    assert tags.open == []
    assert tags.fetched == []
    for said in ("v-1", manifest.gate.reason, "<b>bot-1</b>", "events of users who act too fast", "width = 128"):
        assert said in tags.text
    assert ("<Drama>" in tags.text) == (beside is not None)
