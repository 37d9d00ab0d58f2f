"""Is a generated world whole: its catalog like one built of documents, its clicks near, its bundle served?"""

from pathlib import Path

import numpy as np
import pytest

from foryou.bench.scale import alone, asked, built, clicks, crowd, goods
from foryou.cli.scale import compared
from foryou.domain import catalog as catalogs
from foryou.domain.item import Item
from foryou.simulate.vectors import Shape
from foryou.wiring.home import open_home

NOW_MS = 1_790_000_000_000


def test_a_catalog_made_as_columns_is_that_of_the_same_documents() -> None:
    made = goods.goods(np.arange(500, dtype=np.int32) // 3, "made", NOW_MS, 7)
    items = [
        Item(
            item_id=goods.named(n), categories=(made.category_name(int(made.category[n])),),
            brand=made.brand_name(int(made.brand[n])), price=float(made.price[n]),
            published_ms=int(made.created_ms[n]), status="available" if made.available[n] else "sold_out",
        )
        for n in range(1, 501)
    ]  # fmt: skip
    usual = catalogs.build(items, "usual", {})
    for name in ("hash", "price", "created_ms", "expires_ms", "available", "order"):
        assert np.array_equal(getattr(made, name), getattr(usual, name)), name
    for number in range(1, 501):
        assert made.id_of(number) == usual.id_of(number)
        assert made.title_of(number) == usual.title_of(number)
        assert sorted(made.terms.of(number).tolist()) == sorted(usual.terms.of(number).tolist())
        assert [made.category_name(one) for one in made.categories.of(number).tolist()] == [
            usual.category_name(one) for one in usual.categories.of(number).tolist()
        ]
        assert len(made.embeddings.of(number)) == 0


def test_clicks_stay_in_the_lists_of_the_tastes_and_links_join_what_stood_together() -> None:
    number = np.array([3, 1, 0, 0, 5, 2, 4, 0], np.int32)
    lists = clicks.lists_of(number, np.array([0, 1, 2], np.int64), 4)
    assert lists.of.tolist() == [0, 0, 1, 0, 1, 1]
    found = clicks.clicked(lists, np.full(5, 0.2), 50, 3)
    for row in found:
        assert set(lists.of[row].tolist()) <= set(lists.of[row[: clicks.TASTES]].tolist())
    ids, values = clicks.linked(np.array([[1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2], [4] * 12], np.int32), 5)
    assert ids[1, 0] == 2
    assert ids[2, 0] == 1
    assert not ids[3:].any()
    assert (np.diff(values, axis=1) <= 0).all()


def test_traffic_has_its_share_of_events_and_of_strangers() -> None:
    request = asked.Traffic(1_000, 500, 0.3).requests(300)
    sent = [request(number) for number in range(8_000)]
    events = sum(one.startswith(b"POST /v1/events") for one in sent)
    strangers = sum(one.startswith(b"GET /v1/recommendations?num_results") for one in sent)
    assert events == 8_000 / 4
    assert 0.27 < strangers / (8_000 - events) < 0.33


def test_two_runs_are_compared_line_by_line() -> None:
    before = {"rate_at_slo": 100.0, "idle": {"p50_ms": 4.0}, "ready_s": 2.0, "at_slo": None}
    after = {"rate_at_slo": 200.0, "idle": {"p50_ms": 5.0}, "ready_s": 2.01, "at_slo": None}
    said = {row["what"]: (row["change"], row["better"]) for row in compared(before, after)}
    assert said == {"rate_at_slo": (2.0, "better"), "idle.p50_ms": (1.25, "worse"), "ready_s": (1.005, "same")}


def test_a_small_world_is_built_once_and_its_answers_are_those_of_the_exact_search(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the MLP is learned with PyTorch")
    world = built.World(Shape(2_000, built.TUNED_WITH, 16, 7, "float16"), 1_000)
    told: list[str] = []
    config = built.made(tmp_path, world, lambda name, *_: told.append(name))
    assert told
    told.clear()
    assert built.made(tmp_path, world, lambda name, *_: told.append(name)).home == config.home
    assert not told
    home = open_home(config)
    assert home.features.read([crowd.named(999), "nobody"])[1] is None
    assert len(home.features.read([crowd.named(999)])[0].history) == clicks.CLICKS  # type: ignore[union-attr]
    found = alone.measure(home)
    home.close()
    assert found["overlap_at_20"] == found["recall_at_20"] == 1.0
    assert {row["stage"] for row in found["stages_of_one"]} >= {"hydrate", "collaborative", "rank", "explain"}
