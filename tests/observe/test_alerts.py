"""Do the rules in deploy/prometheus fire when they must and only then, and does somebody hear of it?"""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from monitored import PLACE, ROOT, deployed, tool

from foryou.observe.alerts import ALERTS, RECORDED
from foryou.services import prometheus

TESTS = (PLACE / "alerts_test.yml", PLACE / "alerts_days_test.yml")


def said(*command: str) -> tuple[bool, str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def promtool() -> str:
    return tool("promtool", "prometheus")


def test_the_files_are_what_make_monitoring_writes() -> None:
    for path, text in deployed("monitoring").files().items():
        assert path.read_text(encoding="utf-8") == text, f"{path} is not what `make monitoring` writes"


def test_prometheus_takes_the_settings_and_the_rules(promtool: str) -> None:
    good, what = said(promtool, "check", "config", str(PLACE / "prometheus.yml"))
    assert good, what
    assert f"SUCCESS: {len(ALERTS) + len(RECORDED)} rules found" in what


def test_every_alert_fires_when_it_must_and_not_before(promtool: str) -> None:
    good, what = said(promtool, "test", "rules", *map(str, TESTS))
    assert good, what


@pytest.mark.parametrize("name", [one.name for one in ALERTS])
def test_an_alert_that_is_broken_is_found_by_its_unit_test(name: str, promtool: str, tmp_path: Path) -> None:
    found = yaml.safe_load((PLACE / "alerts.yml").read_text(encoding="utf-8"))
    for rule in found["groups"][0]["rules"]:
        if rule.get("alert") == name:
            rule["expr"] = "vector(0) > 1"
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump(found))
    for path in TESTS:
        tests = yaml.safe_load(path.read_text(encoding="utf-8"))
        tests["tests"] = [one for one in tests["tests"] if f'"{name}"' in yaml.safe_dump(one["promql_expr_test"])]
        if tests["tests"]:
            (tmp_path / "of.yml").write_text(yaml.safe_dump(tests))
    good, what = said(promtool, "test", "rules", str(tmp_path / "of.yml"))
    assert not good
    assert "got: nil" in what


def test_each_alert_leads_to_a_section_that_says_what_to_do() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    sections = re.split(r"^#+ ", text.split("## Alerts\n")[1].split("\n## ")[0], flags=re.MULTILINE)
    named = {section.split("\n")[0] for section in sections[1:]}
    assert {one.name for one in ALERTS} <= named
    assert len({one.name for one in ALERTS}) == len(ALERTS)
    assert {one.severity for one in ALERTS} == {"page", "warn"}


def test_alertmanager_sends_pages_and_warnings_to_different_people() -> None:
    amtool, settings = tool("amtool", "prometheus-alertmanager"), str(PLACE / "alertmanager.yml")
    good, what = said(amtool, "check-config", settings)
    assert good, what
    for severity in ("page", "warn"):
        good, what = said(amtool, "config", "routes", "test", f"--config.file={settings}", f"severity={severity}")
        assert (good, what.split()[0]) == (True, severity)


def test_the_prometheus_of_services_reads_the_same_door() -> None:
    ours, theirs = (yaml.safe_load(text)["scrape_configs"] for text in
                    (prometheus.SETTINGS, (PLACE / "prometheus.yml").read_text(encoding="utf-8")))  # fmt: skip
    assert ours == theirs
