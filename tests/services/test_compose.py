"""Has deploy/compose.yaml the servers of `foryou services`, with the same settings?"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from foryou.services import kafka
from foryou.services.redis_cluster import NODES
from foryou.services.registry import SERVICES

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "deploy" / "compose.yaml"


@pytest.fixture(scope="module")
def compose() -> dict:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def test_every_service_is_there_and_every_volume_that_they_name(compose: dict) -> None:
    assert set(SERVICES) <= set(compose["services"])
    nodes = [name for name in compose["services"] if re.fullmatch(r"redis-\d", name)]
    assert len(nodes) == NODES
    assert set(compose["services"]["redis-cluster"]["depends_on"]) == set(nodes)
    mounted = {volume.split(":")[0] for one in compose["services"].values() for volume in one.get("volumes", ())}
    files = {name for name in mounted if name.startswith("./")}
    assert mounted - files == set(compose["volumes"])
    assert all((FILE.parent / name).exists() for name in files)


def test_nobody_outside_this_machine_reaches_them(compose: dict) -> None:
    for one in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in one.get("ports", ()))
        if one.get("network_mode") == "host":
            assert "127.0.0.1" in " ".join(one["command"])


def test_kafka_has_the_same_version_and_settings(compose: dict) -> None:
    one = compose["services"]["kafka"]
    assert f"<version>{one['image'].split(':')[1]}</version>" in kafka.POM.read_text(encoding="utf-8")
    ours = dict(line.split("=") for line in kafka.SETTINGS.split())
    theirs = {key.removeprefix("KAFKA_").lower().replace("_", "."): str(v) for key, v in one["environment"].items()}
    told = {"listeners", "advertised.listeners", "controller.quorum.bootstrap.servers", "log.dirs"}
    numbers = {"offsets.topic.num.partitions", "transaction.state.log.num.partitions"}
    assert set(theirs) == set(ours) - numbers
    assert {key: theirs[key] for key in set(theirs) - told} == {key: ours[key] for key in set(theirs) - told}


def test_docker_understands_it() -> None:
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no `docker compose` on this machine")
    done = subprocess.run(
        [docker, "compose", "-f", str(FILE), "config", "--quiet"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
