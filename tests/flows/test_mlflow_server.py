"""Does a real MLflow server hear of the daily job? Started on loopback where the whole of mlflow is installed."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from test_daily import SETTINGS, made, opened

import worlds
from foryou.services.ports import free
from foryou.train import tracking
from foryou.wiring.daily import REPORT

STARTED_S = 180


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the URL of a server with SQLite behind it; skip where only the client of mlflow is installed.

    FORYOU_REQUIRE_SERVICES does not ask for it: the server pins older packages than the project uses.
    """
    python = request.config.getoption("--mlflow")
    if not python:
        try:
            version("mlflow")
        except PackageNotFoundError:
            pytest.skip("no mlflow server: `pip install mlflow` into an environment, and name its Python by --mlflow")
        python = sys.executable
    (port,) = free()
    settings = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MLFLOW_TRACKING_URI")
    } | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # fmt: skip
    folder = tmp_path / "server"
    folder.mkdir()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
                "--backend-store-uri", f"sqlite:///{folder}/book.db", "--artifacts-destination", str(folder / "files"),
            ],
            stdout=log, stderr=log, env=settings, cwd=folder, start_new_session=True,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        wait(url, process, folder / "log")
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server answers; fail with what it said where it does not."""
    until = time.monotonic() + STARTED_S
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"no answer from {url}: {log.read_text()[-2_000:]}")


def test_a_server_keeps_settings_figures_report_and_a_version_with_its_alias(server: str, tmp_path: Path) -> None:
    worlds.lived(tmp_path / "home", SETTINGS, users=40, items=60, events=1_200)
    home = opened(tmp_path / "home", tracking=server, tracking_model="shop")
    first, second = made(home), made(home)
    home.close()
    client = MlflowClient(server, server)
    versions = {one.tags["foryou.version"]: one for one in client.search_model_versions("name = 'shop'")}
    assert set(versions) == {first.manifest.version, second.manifest.version}
    alias = client.get_model_version_by_alias("shop", "champion")
    assert alias.tags["foryou.version"] == second.manifest.version
    assert alias.tags["foryou.bundle"].endswith(f"/models/bundles/{second.manifest.version}")
    run = client.get_run(versions[second.manifest.version].run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["width"] == "6"
    assert run.data.tags["gate"] == second.manifest.gate.verdict
    figure = second.manifest.gate.metrics["ndcg_at_10"]
    assert run.data.metrics["ndcg_at_10"] == pytest.approx(figure)
    page = Path(client.download_artifacts(run.info.run_id, REPORT, str(tmp_path)))
    assert page.read_bytes() == second.files[REPORT].read_bytes()
    again = tracking.track(server, "shop", second, {"width": 6}, "file:///models")
    assert again == run.info.run_id  # a job that went on after a cut does not log twice
    assert len(client.search_model_versions("name = 'shop'")) == 2
