"""Is the truth inside the intervals, where one policy is judged by the log of another?"""

from foryou.bench.off_policy import ESTIMATES, judged_arenas


def test_chance_and_learning_are_judged_rightly_by_each_others_logs() -> None:
    found = judged_arenas(2, 1, lambda *_: None, lists=1_000)
    assert set(found) == {"log_by_random", "log_by_thompson"}
    for one in found.values():
        assert one["truth"] != one["logged"]
        assert all(one["covers"][name] in (0.0, 0.5, 1.0) and one["error"][name] < 1.5 for name in ESTIMATES)
    assert found["log_by_random"]["truth"] > 1.3 * found["log_by_random"]["logged"], "learning earns more than chance"
