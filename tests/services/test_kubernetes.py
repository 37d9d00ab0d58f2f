"""Would Kubernetes take what lies in deploy/kubernetes, and does it name settings, commands and routes that exist?"""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from typer.main import get_command

from foryou import __version__
from foryou.api.rest.pages import healthy, ready
from foryou.cli import commands
from foryou.config import load

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
VERSIONS = ("1.30", "1.34")
FILES = sorted(path.name for path in FOLDER.glob("*.yaml"))


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


def pods() -> dict[str, dict[str, Any]]:
    """Give what each kind of pod is made of."""
    found = {}
    for name in FILES:
        for one in documents(name):
            spec = one.get("spec", {})
            spec = spec.get("jobTemplate", {}).get("spec", spec)
            if "template" in spec:
                found[one["metadata"]["name"]] = spec["template"]["spec"]
    return found


def programs() -> list[dict[str, Any]]:
    return [container for pod in pods().values() for container in pod["containers"] if container["name"] == "foryou"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", FILES)
def test_every_document_follows_the_schema(name: str, version: str) -> None:
    found = documents(name)
    assert found
    for one in found:
        kubernetes_validate.validate(one, version, strict=True)


def test_a_document_with_a_slip_is_found() -> None:
    (wrong,) = documents("stream.yaml")
    wrong["spec"]["template"]["spec"]["containers"][0]["argz"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


def test_the_settings_exist_and_are_within_their_bounds() -> None:
    settings = documents("settings.yaml")[0]["data"]
    config = load(None, settings)
    assert config.stores.log == settings["FORYOU_STORES__LOG"]
    assert config.stores.partitions == 64
    assert str(config.home) == settings["FORYOU_HOME"]


def test_the_commands_and_the_version_exist() -> None:
    known = get_command(commands()).commands  # type: ignore[attr-defined]
    assert {one["args"][0] for one in programs()} == {"serve", "stream", "train"} <= set(known)
    assert {one["image"] for one in programs()} == {f"foryou:{__version__}"}
    (serve,) = [one for one in programs() if one["args"][0] == "serve"]
    options = {name for option in known["serve"].params for name in option.opts}
    assert {arg for arg in serve["args"] if arg.startswith("--")} <= options


def test_probes_ask_routes_that_exist() -> None:
    routes = {path for handler in (healthy, ready) for path in handler.paths}
    (pod,) = [pod for name, pod in pods().items() if name == "foryou"]
    program, door = pod["containers"]
    assert door["readinessProbe"]["httpGet"]["path"] in routes
    for probe in ("startupProbe", "livenessProbe"):
        assert "127.0.0.1:8000/healthz" in program[probe]["exec"]["command"][-1]


def test_who_ends_has_time_to_answer_what_waits() -> None:
    for pod in pods().values():
        for container in pod["containers"]:
            waits = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["sleep", "0"])
            assert pod.get("terminationGracePeriodSeconds", 30) > int(waits[-1]) + 10


def test_what_was_acknowledged_lies_on_a_disk_that_outlives_the_pod() -> None:
    (serve,) = [one for one in documents("serve.yaml") if one["kind"] == "StatefulSet"]
    home = documents("settings.yaml")[0]["data"]["FORYOU_HOME"]
    mounts = {
        mount["name"]: mount["mountPath"]
        for mount in serve["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    }
    claimed = {claim["metadata"]["name"] for claim in serve["spec"]["volumeClaimTemplates"]}
    assert [name for name, path in mounts.items() if path == home] == list(claimed)
