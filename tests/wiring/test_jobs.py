"""Does a training leave behind how it went, and do the meters say so?"""

from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from foryou.domain.bundle import Gate, Manifest
from foryou.observe.metrics import Metrics
from foryou.wiring.jobs import FILE, Job, Telling, failed, last, noted

GOOD = Manifest(
    version="v1", family="main", created_ms=1, schema="s", catalog="c", gate=Gate("pass", "", {"ndcg": 0.5})
)
BAD = msgspec.structs.replace(GOOD, version="v2", gate=Gate("refuse", "worse than popularity"))


def test_a_training_that_ends_well_is_a_success_with_its_figures(tmp_path: Path) -> None:
    assert last(tmp_path) == Job()
    with noted(tmp_path) as note:
        assert last(tmp_path).begun_s > 0
        note(GOOD, True)
    job = last(tmp_path)
    assert (job.version, job.figures, job.why, job.failure_s) == ("v1", {"ndcg": 0.5}, "", 0.0)
    assert job.success_s >= job.begun_s


def test_what_a_gate_refuses_and_what_breaks_off_is_a_failure_and_the_last_success_stays(tmp_path: Path) -> None:
    with noted(tmp_path) as note:
        note(GOOD, True)
    before = last(tmp_path).success_s
    with noted(tmp_path) as note:
        note(BAD, False)
    job = last(tmp_path)
    assert (job.success_s, job.why) == (before, "gate: worse than popularity")
    assert job.failure_s >= job.begun_s > before
    with pytest.raises(KeyboardInterrupt), noted(tmp_path):
        raise KeyboardInterrupt
    assert last(tmp_path).why == "KeyboardInterrupt"
    failed(tmp_path, "the log is away")
    assert last(tmp_path).why == "the log is away"


def test_meters_follow_the_file_and_a_broken_one_says_nothing(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    telling = Telling(tmp_path, Metrics(registry))
    telling.look()
    assert registry.get_sample_value("foryou_training_failure_s") == 0
    with noted(tmp_path) as note:
        note(GOOD, True)
    telling.look()
    assert registry.get_sample_value("foryou_training_success_s") == last(tmp_path).success_s
    assert registry.get_sample_value("foryou_training_figure", {"figure": "ndcg"}) == 0.5
    (tmp_path / FILE).write_bytes(b"{")
    assert last(tmp_path) == Job()
