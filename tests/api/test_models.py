"""Who may say over the network which bundle serves, and what does everybody see of it?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from shop import Shop

from foryou.domain.bundle import ModelBundle
from foryou.observe.evidence import Notes
from foryou.observe.metrics import Metrics
from foryou.wiring import serving

KEY = "a key of the tests, long enough"
SCHEDULE = "shadow:1h,50:1h,100:1h"


@pytest.fixture
def keyed(tmp_path: Path, metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """Give a shop that can be steered with KEY, and a second bundle with a report."""
    monkeypatch.setenv("FORYOU_ADMIN_KEY", KEY)
    with Shop(tmp_path, metrics) as opened:
        page = tmp_path / "report.html"
        page.write_text("<h1>How second was judged</h1>", encoding="utf-8")
        known = opened.home.models.load("known")
        manifest = msgspec.structs.replace(known.manifest, version="second", checksums={})
        opened.home.models.publish(ModelBundle(manifest, known.arrays, {page.name: page}))
        yield opened


def steer(shop: Shop, key: str = KEY, **said: str) -> tuple[int, dict[str, Any]]:
    answer = shop.client.post("/v1/models", json=said, headers={"Authorization": f"Bearer {key}"} if key else {})
    return answer.status_code, answer.json()


def test_a_rollout_is_begun_steered_and_taken_back(keyed: Shop) -> None:
    status, said = steer(keyed, action="rollout", version="second", schedule=SCHEDULE, why="fresh")
    assert (status, said["generation"], said["reason"]) == (200, 2, "rollout: fresh")
    assert said["rollout"]["state"] == "running"
    assert said["rollout"]["steps"] == [{"share": share, "hold_ms": 3_600_000} for share in (0.0, 0.5, 1.0)]
    assert said["serves"] == [{"version": "known", "share": 1.0}]
    assert steer(keyed, action="next")[1]["serves"] == [
        {"version": "second", "share": 0.5}, {"version": "known", "share": 0.5}
    ]  # fmt: skip
    assert steer(keyed, action="pause")[1]["rollout"]["state"] == "paused"
    status, said = steer(keyed, action="pause")
    assert (status, said["detail"]) == (409, "The rollout of second is paused; nothing to do")
    assert steer(keyed, action="resume")[1]["rollout"]["state"] == "running"
    back = steer(keyed, action="back", why="no")[1]
    assert (back["serves"], back["rollout"]["state"], back["rollout"]["why"]) == (
        [{"version": "known", "share": 1.0}], "returned", "no"
    )  # fmt: skip
    assert keyed.client.get("/v1/models").json() == back
    assert steer(keyed, action="next")[0] == 409


def test_who_promotes_puts_a_bundle_in_force_for_everybody_and_it_is_watched(keyed: Shop) -> None:
    status, said = steer(keyed, action="promote", version="second")
    assert (status, said["serves"]) == (200, [{"version": "second", "share": 1.0}])
    assert said["rollout"]["steps"] == [{"share": 1.0, "hold_ms": 600_000}]


def test_a_rollouts_state_is_measured(keyed: Shop) -> None:
    parts = keyed.service._parts

    def measured() -> tuple[float, ...]:
        parts.live.take_up_release()
        serving._measure_rollout(parts, {}, Notes(Path(keyed.home.config.home)))
        meters = parts.metrics
        return tuple(one._value.get() for one in (meters.step, meters.tried_share, meters.returned))

    assert measured() == (0, 0, 0)
    steer(keyed, action="rollout", version="second", schedule=SCHEDULE)
    assert measured() == (1, 0, 0)
    steer(keyed, action="next")
    assert measured() == (2, 0.5, 0)
    steer(keyed, action="back", why="no")
    step, share, returned = measured()
    assert (step, share) == (0, 0)
    assert returned > 1e9


def test_nobody_steers_without_the_key_or_with_another(keyed: Shop) -> None:
    for key in ("", "another key, of the same length"):
        status, said = steer(keyed, key, action="promote", version="second")
        assert (status, said["code"]) == (401, "unauthorized")
        assert KEY not in str(said)
    assert keyed.client.get("/v1/models").json()["generation"] == 1


def test_where_no_key_is_set_nobody_steers(shop: Shop) -> None:
    status, said = steer(shop, action="promote", version="known")
    assert (status, said["code"]) == (403, "forbidden")
    assert "FORYOU_ADMIN_KEY is not set" in said["detail"]


@pytest.mark.parametrize(
    ("said", "status", "detail"),
    [
        ({"action": "rollout", "version": "second"}, 400, "schedule: is missing"),
        ({"action": "rollout", "version": "second", "schedule": "50"}, 400, "'50' is no step"),
        ({"action": "promote"}, 400, "version"),
        ({"action": "promote", "version": "never-heard-of"}, 404, "never-heard-of"),
        ({"action": "back", "version": "second"}, 400, "means nothing for 'back'"),
        ({"action": "explode"}, 400, "explode"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_field(
    keyed: Shop, said: dict[str, str], status: int, detail: str
) -> None:
    found, problem = steer(keyed, **said)
    assert found == status
    assert detail in problem["detail"]


def test_the_report_of_a_bundle_is_a_page_that_can_do_nothing(keyed: Shop) -> None:
    answer = keyed.client.get("/v1/models/second/report")
    assert (answer.status_code, answer.text) == (200, "<h1>How second was judged</h1>")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert keyed.client.get("/v1/models/known/report").status_code == 404
    assert keyed.client.get("/v1/models/never-heard-of/report").status_code == 404
    bundles = {one["version"]: one["has_report"] for one in keyed.client.get("/v1/console").json()["bundles"]}
    assert bundles == {"known": False, "second": True}
