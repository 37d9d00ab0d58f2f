"""The comparison on hotel clickouts: inputs know the past only, and every ranker is judged on the same unseen lists."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from foryou.bench.trivago import compare, split
from foryou.bench.trivago.features import FEATURES, table
from foryou.bench.trivago.log import CLICKOUT, FILE, Event, read
from foryou.bench.trivago.rivals import RIVALS
from foryou.domain.errors import Invalid

HOTELS = 30
SIZE = 6


def quiet(stage: str, done: int, total: int) -> None:
    assert stage
    assert 0 < done <= total


def written(folder: Path, sessions: int = 150) -> Path:
    """Write a log: people look at pictures of one of six hotels and then mostly click it, a few the first one."""
    random = np.random.default_rng(2)
    rows = []
    for s in range(sessions):
        shown = random.choice(HOTELS, SIZE, replace=False) + 100
        liked = int(shown[random.integers(SIZE)])
        chosen = liked if random.random() < 0.8 else int(shown[0])
        line = {
            "user_id": f"u{s % 60}", "session_id": f"s{s}", "platform": "DE", "device": "mobile", "city": "Kiel",
            "current_filters": "Sort by Price" if s % 3 == 0 else None,
        }  # fmt: skip
        rows += [
            line | {"timestamp": 100 * s, "step": 1, "action_type": "interaction item image", "reference": str(liked)},
            line | {"timestamp": 100 * s, "step": 2, "action_type": "search for poi", "reference": "Harbour"},
            line | {
                "timestamp": 100 * s + 9, "step": 3, "action_type": CLICKOUT, "reference": str(chosen),
                "impressions": "|".join(map(str, shown)), "prices": "|".join(str(50 + one % 7) for one in shown),
            },
        ]  # fmt: skip
    pl.DataFrame(rows[::-1], schema_overrides={"impressions": pl.String, "prices": pl.String}).write_parquet(
        folder / FILE
    )
    return folder


def column(name: str) -> int:
    return list(FEATURES).index(name)


def events(folder: Path) -> list[Event]:
    return list(read(written(folder) / FILE))


def test_events_are_read_in_the_order_in_which_they_happened(tmp_path: Path) -> None:
    found = events(tmp_path)
    assert [one.step for one in found[:6]] == [1, 2, 3, 1, 2, 3]
    assert [one.at_s for one in found] == sorted(one.at_s for one in found)
    assert found[1].item == 0
    assert found[2].item in found[2].shown.tolist()
    assert (found[0].filters, found[3].filters) == (("Sort by Price",), ())


def test_inputs_do_not_know_what_comes_later(tmp_path: Path) -> None:
    log = events(tmp_path)
    whole, early = table(log), table(log[: len(log) // 2])
    rows = len(early.groups.inputs)
    np.testing.assert_array_equal(whole.groups.inputs[:rows], early.groups.inputs)


def test_inputs_do_not_know_what_this_clickout_chose(tmp_path: Path) -> None:
    log = events(tmp_path)
    other = next(one for one in log[-1].shown.tolist() if one != log[-1].item)
    turned = [*log[:-1], replace(log[-1], item=other)]
    before, after = table(log).groups, table(turned).groups
    assert (before.label != after.label).any()
    np.testing.assert_array_equal(before.inputs, after.inputs)


def test_events_of_one_second_do_not_know_each_other_but_a_session_knows_itself(tmp_path: Path) -> None:
    log = events(tmp_path)
    clickout = log[-1]
    touch = replace(log[-3], at_s=clickout.at_s, item=int(clickout.shown[3]))
    stranger = replace(touch, user="stranger", session="strange")
    without, own, others = (
        table([*log[:-3], *more, clickout]).groups.inputs[-SIZE:] for more in ([], [touch], [stranger])
    )
    np.testing.assert_array_equal(others, without)
    assert own[:, column("touched_last")].tolist() == [0, 0, 0, 1, 0, 0]
    later = table([*log[:-3], replace(stranger, at_s=clickout.at_s - 1), clickout]).groups.inputs[-SIZE:]
    assert later[3, column("touched_by_all")] > without[3, column("touched_by_all")]


def test_what_a_user_did_in_an_earlier_session_is_known(tmp_path: Path) -> None:
    log = events(tmp_path)
    clickout = log[-1]
    earlier = replace(log[-3], session="earlier", item=int(clickout.shown[2]))
    found = table([*log[:-3], earlier, clickout]).groups.inputs[-SIZE:]
    assert found[2, column("touched_before")] > 0
    assert found[2, column("touched")] == 0


def test_a_clickout_of_a_hotel_that_was_not_shown_is_counted_and_left_out(tmp_path: Path) -> None:
    log = events(tmp_path)
    found = table(
        [*log[:-1], replace(log[-1], item=int(log[2].item), shown=log[-1].shown[:0], prices=log[-1].prices[:0])]
    )
    assert (found.skipped, len(found.groups)) == (1, 149)


def test_the_split_is_by_time_and_parts_no_second(tmp_path: Path) -> None:
    whole = table(events(tmp_path))
    whole.at_s[85:95] = whole.at_s[89]
    parts = split(whole)
    assert [len(part) for part in parts] == [85, 35, 30]
    assert np.concatenate(parts).tolist() == list(range(150))


def test_rankers_find_what_people_look_at_and_are_compared_on_the_same_lists(tmp_path: Path) -> None:
    result = compare(written(tmp_path), 2, quiet, tuple(one for one in RIVALS if one.name != "mlp"))
    rows = {row["ranker"]: row for row in result["rankers"]}
    assert rows["logistic"]["mrr"] > rows["as shown"]["mrr"] + 0.2
    assert rows["lightgbm"]["mrr"] > rows["as shown"]["mrr"] + 0.2
    assert all(row["low"] <= row["mrr"] <= row["high"] for row in rows.values())
    ratio = next(row for row in result["ratios"] if (row["of"], row["to"]) == ("logistic", "lightgbm"))
    assert ratio["ratio"] == pytest.approx(rows["logistic"]["mrr"] / rows["lightgbm"]["mrr"])
    assert result["clickouts"] == {"train": 90, "validation": 30, "test": 30}


def test_every_ranker_may_try_the_same_number_of_settings_without_repeats() -> None:
    for rival in RIVALS:
        tried = rival.settings(8)
        assert len(tried) == 8
        assert len({repr(one) for one in tried}) == 8
        assert tried == rival.settings(9)[:8]


def test_without_lightgbm_and_pytorch_the_comparison_says_so_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    result = compare(written(tmp_path), 1, quiet)
    assert [row["ranker"] for row in result["rankers"]] == ["as shown", "logistic"]
    assert ["LightGBM" in said or "PyTorch" in said for said in result["absent"]] == [True, True]
    assert "nothing is compared with it; pip install lightgbm" in result["absent"][1]


def test_a_folder_without_the_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=rf"--data: .* holds no {FILE}, nor does its folder trivago; name the folder"):
        compare(tmp_path, 1, quiet)
