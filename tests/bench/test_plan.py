"""Does the plan do its sums right, and say what it was not given?"""

import re

import pytest

from foryou.bench import plan
from foryou.domain.errors import Invalid


@pytest.mark.parametrize(
    ("said", "meant"), [("100M", 1e8), ("100k", 1e5), ("1.5G", 1.5e9), ("250_000", 250_000.0), ("2,000", 2_000.0)]
)
def test_numbers_may_be_written_short(said: str, meant: float) -> None:
    assert plan.number(said, "--users") == meant


@pytest.mark.parametrize("said", ["", "0", "-3", "ten", "10X", "nan", "inf"])
def test_what_is_no_positive_number_is_refused_with_its_option(said: str) -> None:
    with pytest.raises(Invalid, match=re.escape("--qps")):
        plan.number(said, "--qps")


def test_cores_and_memory_follow_from_what_was_measured() -> None:
    one = plan.Measured(cpu_ms_per_question=2.0, cpu_ms_per_event=1.0, item_bytes=500.0, record_bytes=1_000.0)
    wanted = plan.Wanted(users=1e8, items=1e7, qps=1e5, events=2e4, cores=16)
    rows = {row["what"]: row["value"] for row in plan.planned(wanted, one)}
    assert rows["cores for questions"] == 200
    assert rows["cores for events"] == 20
    assert rows["instances"] == -(-(220 / 0.6) // 16)
    assert rows["mapped arrays per machine"] == 5
    assert rows["Redis, records"] == pytest.approx(270)
    assert rows["Kafka, written"] == pytest.approx(2e4 * 300 / 1e6 + 1e5 * 1_400 / 1e6)


def test_twice_the_questions_take_twice_the_cores_and_no_more_memory() -> None:
    small, large = (
        {row["what"]: row["value"] for row in plan.planned(plan.Wanted(1e6, 1e6, qps, qps / 5), plan.Measured())}
        for qps in (1e4, 2e4)
    )
    assert large["cores to buy"] == pytest.approx(2 * small["cores to buy"], rel=1e-3)
    assert large["memory per machine"] == small["memory per machine"]


def test_a_run_that_kept_the_promise_replaces_the_constant() -> None:
    assert plan.measured({"at_slo": {"cpu_ms_per_request": 1.25}}).cpu_ms_per_question == 1.25
    with pytest.raises(Invalid, match="no run that kept the promise"):
        plan.measured({"at_slo": None})
