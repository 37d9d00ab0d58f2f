"""Do interleaving and off-policy estimates find the truth, where it is known?"""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foryou.bench.worth import interleaved, off_policy
from foryou.domain.errors import Invalid
from foryou.domain.interleaving import team_draft
from foryou.trial.bandit import judged, read, shown_by
from foryou.trial.interleave import preference

ITEMS = [f"item-{n}" for n in range(12)]


@given(st.permutations(ITEMS), st.permutations(ITEMS), st.integers(1, 12), st.integers(0, 99))
def test_a_mixed_list_is_filled_fairly_from_the_tops_of_both(
    first: list[str], second: list[str], k: int, seed: int
) -> None:
    mixed = team_draft(first, second, k, seed)
    assert len(mixed.items) == len(set(mixed.items)) == k
    for pair in range(0, k - 1, 2):
        assert set(mixed.team[pair : pair + 2]) == {0, 1}
    for at, (item, team) in enumerate(zip(mixed.items, mixed.team, strict=True)):
        assert item == next(one for one in (first, second)[team] if one not in mixed.items[:at])


def test_who_runs_out_of_items_passes_and_clicks_count_for_the_team_that_picked() -> None:
    mixed = team_draft(["a"], ["a", "b", "c"], 5, 1)
    assert sorted(mixed.items) == ["a", "b", "c"]
    assert mixed.wins(["b", "c", "nowhere"]) == 2
    assert mixed.wins(["b", "b"]) == 1


def test_equal_rankers_are_told_apart_no_more_often_than_promised() -> None:
    random, wrong = np.random.default_rng(7), 0
    for _ in range(300):
        clicks = random.poisson(2, 2_000).astype(float)
        wins = 2.0 * random.binomial(clicks.astype(int), 0.5) - clicks
        looks = [preference(wins[:n], clicks[:n]) for n in range(100, 2_001, 100)]
        wrong += any(one.low > 0 or one.high < 0 for one in looks)
    assert wrong / 300 <= 0.05 + 1.96 * np.sqrt(0.05 * 0.95 / 300)


def test_interleaving_agrees_with_an_a_b_test_with_far_fewer_users() -> None:
    found = interleaved(1, step=200)
    assert found["agree"] == 1.0
    assert found["fewer"] > 2


def test_doubly_robust_errs_less_than_half_as_much_as_ips_and_the_truth_is_inside() -> None:
    found = off_policy(100, 1_000, 8)
    assert found["robust_to_ips"] <= 0.5
    assert found["covers"]["doubly_robust"] >= 0.9
    assert found["covers"]["ips"] >= 0.85


def logs(folder: Path) -> tuple[Path, Path, float]:
    """Write two logs of the Open Bandit form: one shows evenly, one by Bernoulli Thompson's taste; gives its worth."""
    random = np.random.default_rng(9)
    rate, liking = random.uniform(0.01, 0.3, (3, 8)), np.zeros((3, 8))
    liking[:] = rate**2 / (rate**2).sum(axis=1, keepdims=True)
    for name, policy, rounds in (("random", np.full((3, 8), 1 / 8), 12_000), ("bts", liking, 30_000)):
        lines = ["timestamp,item_id,position,click,propensity_score,user_feature_0"]
        for number in range(rounds):
            position = number % 3
            item = random.choice(8, p=policy[position])
            click = int(random.random() < rate[position, item])
            lines.append(f"{number},{item},{position + 1},{click},{policy[position, item]},x")
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "random.csv", folder / "bts.csv", float((liking * rate).sum(axis=1).mean())


def test_a_log_of_the_open_bandit_form_says_what_the_other_policy_is_worth(tmp_path: Path) -> None:
    ours, other, worth = logs(tmp_path)
    log = read(ours)
    found = judged(log, shown_by(log, read(other)))
    assert found.doubly_robust is not None
    for one in (found.ips, found.snips, found.doubly_robust):
        assert one.low < worth < one.high
    assert found.doubly_robust.high - found.doubly_robust.low < found.ips.high - found.ips.low
    assert found.mean_weight == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item_id,position,click\n1,1,0\n", "has no column propensity_score; its head must name item_id"),
        ("item_id,position,click,propensity_score\n1,1,x,0.5\n", ":2: click 'x' is no number; mend"),
        ("item_id,position,click,propensity_score\n1,1,0,1.5\n", ":2: propensity_score 1.5 is not in (0, 1]"),
        ("item_id,position,click,propensity_score\n", "holds no rounds"),
    ],
)
def test_a_log_that_is_wrong_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "log.csv").write_text(text, encoding="utf-8")
    with pytest.raises(Invalid) as caught:
        read(tmp_path / "log.csv")
    assert message in str(caught.value)
