"""Does each panel of the dashboards, and each rule, ask for what a server really shows?"""

import re
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
from monitored import deployed, tool
from prometheus_client.parser import text_string_to_metric_families

from foryou import config
from foryou.bench.server import running
from foryou.domain.bundle import Gate, Manifest
from foryou.observe.alerts import ALERTS, RECORDED
from foryou.wiring import jobs

ELSEWHERE = {
    "foryou_user_cache_total": "only where records lie in Redis",
    "foryou_spool_bytes": "only where the log is Kafka",
    "foryou_rollout_queries_total": "only while a bundle is rolled out",
}
NAME = re.compile(r"(?<![\w:])foryou[_:][\w:]+")


@pytest.fixture(scope="module")
def dashboards() -> ModuleType:
    return deployed("dashboards")


def asked(exprs: list[str]) -> set[str]:
    return {name for expr in exprs for name in NAME.findall(expr)}


def test_every_expression_of_a_panel_compiles(dashboards: ModuleType, tmp_path: Path) -> None:
    rules = [{"record": f"panel:{n}", "expr": expr} for n, expr in enumerate(dashboards.expressions())]
    path = tmp_path / "panels.json"  # JSON is YAML
    path.write_bytes(msgspec.json.encode({"groups": [{"name": "panels", "rules": rules}]}))
    promtool = tool("promtool", "prometheus")
    done = subprocess.run([promtool, "check", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout


def test_panels_have_names_of_their_own_and_stand_beside_each_other(dashboards: ModuleType) -> None:
    for text in dashboards.texts().values():
        panels = msgspec.json.decode(text)["panels"]
        assert len({panel["title"] for panel in panels}) == len(panels)
        assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)
        assert all(target["expr"] for panel in panels for target in panel["targets"])


def test_whatever_is_asked_for_is_shown_by_a_server_or_recorded(dashboards: ModuleType, tmp_path: Path) -> None:
    good = Manifest(
        version="v", family="f", created_ms=1, schema="s", catalog="c", gate=Gate("pass", "", {"ndcg": 0.1})
    )
    with jobs.noted(tmp_path) as note:
        note(good, True)
    exprs = [*dashboards.expressions(), *(one.expr for one in (*ALERTS, *RECORDED))]
    recorded = {one.name for one in RECORDED}
    wanted = {name for name in asked(exprs) if ":" not in name} - set(ELSEWHERE)
    assert {name for name in asked(exprs) if ":" in name} <= recorded
    (tmp_path / "foryou.toml").write_text("[fold]\nlease_ms = 300\n[observe]\nexpected_requests = 10.0\n")
    with running(config.load(tmp_path, {}), workers=1) as server:
        used(server.url)
        missing = lacking(server.url, wanted, lambda: used(server.url))
    # A bundle has no age before one was trained; the API says so from the first one on.
    assert missing <= {"foryou_bundle_age_s"}


def used(url: str) -> None:
    """Ask, act and fail a little, so that every meter has something to show."""
    items = [
        (f"{url}/v1/items/i{n}", "PUT", {"title": f"Item {n}", "categories": [f"c{n % 4}"], "published_ms": 1})
        for n in range(12)
    ]
    for where, method, body in items:
        call(where, method, body)
    bought = [{"user_id": f"old-{n}", "action": "purchase", "item_id": f"i{n}"} for n in range(12)]
    call(f"{url}/v1/events", "POST", bought)
    for n in range(9):
        for deadline_ms in (1, 5_000):
            call(f"{url}/v1/recommendations?user_id=new-{n}&num_results=12&deadline_ms={deadline_ms}")
    call(f"{url}/v1/events", "POST", [{"user_id": "new-1", "action": what, "item_id": "i1", "value": 60.0}
                                      for what in ("click", "dwell", "purchase")])  # fmt: skip


def call(url: str, method: str = "GET", body: object = None) -> None:
    data = None if body is None else msgspec.json.encode(body)
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status < 300


def lacking(url: str, wanted: set[str], again: Callable[[], None], within_s: float = 60) -> set[str]:
    """Give the names that the server does not show, once it shows as many as it will."""
    end = time.monotonic() + within_s
    while True:
        with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
        missing = wanted - {sample.name for family in families for sample in family.samples}
        if missing <= {"foryou_bundle_age_s"} or time.monotonic() > end:
            return missing
        again()
        time.sleep(0.5)
