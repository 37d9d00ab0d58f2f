"""Who watches in a drill of alerts? A Prometheus with the rules of deploy/, all times cut down, and an Alertmanager."""

import json
import re
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from machines import until

from foryou.services import ports
from foryou.services.install import program

PLACE = Path(__file__).resolve().parents[2] / "deploy" / "prometheus"
SPANS = {"[1m]": "[10s]", "[5m]": "[12s]", "[1h]": "[20s]", "[1d]": "[24s]", "offset 1d": "offset 30s"}
Values = Mapping[str, Callable[[float], float]]


class Door:
    """A small server of the test: what is asked for, or sent, is answered by `answer(path, body)`."""

    def __init__(self, answer: Callable[[str, bytes], str]) -> None:
        class Asked(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                said = answer(self.path, body).encode()
                self.send_response(200)
                self.send_header("content-type", "text/plain; version=0.0.4")
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Asked)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.address = f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Watchers:
    """Prometheus and Alertmanager over a server and over meters that are made up; `heard` is what they told."""

    def __init__(self, folder: Path, served: str, played: Values) -> None:
        """served: host:port of a server; played: series -> its value so many seconds after the start."""
        self._folder, self._began = folder, time.monotonic()
        self.heard: dict[str, str] = {}  # alert -> to whom it was told, page or warn
        self._processes: list[subprocess.Popen[bytes]] = []
        self._played = played
        self._doors = [Door(self._hear), Door(self._play)]
        self.port, alerts = ports.free()[0], ports.free()[0]
        folder.mkdir()
        hook, exporter = (door.address for door in self._doors)
        settings = (PLACE / "prometheus.yml").read_text()
        for was, now in (
            ("5s", "2s"),
            ("15s", "1s"),
            ("127.0.0.1:9093", f"127.0.0.1:{alerts}"),
            ("127.0.0.1:8000", served),
        ):
            assert was in settings
            settings = settings.replace(f" {was}", f" {now}").replace(f'"{was}"', f'"{now}"')
        settings += f'  - job_name: played\n    static_configs:\n      - targets: ["{exporter}"]\n'
        (folder / "prometheus.yml").write_text(settings)
        (folder / "alerts.yml").write_text(quick((PLACE / "alerts.yml").read_text()))
        routes = (PLACE / "alertmanager.yml").read_text().replace("127.0.0.1:9099", hook)
        (folder / "alertmanager.yml").write_text(re.sub(r"(group_wait|group_interval): \w+", r"\1: 1s", routes))
        self._start(program("prometheus-alertmanager", "prometheus-alertmanager", print),
                    "--config.file=alertmanager.yml", "--storage.path=alerts", "--cluster.listen-address=",
                    f"--web.listen-address=127.0.0.1:{alerts}")  # fmt: skip
        self._start(program("prometheus", "prometheus", print), "--config.file=prometheus.yml",
                    "--storage.tsdb.path=data", f"--web.listen-address=127.0.0.1:{self.port}")  # fmt: skip
        for port in (self.port, alerts):
            until(lambda port=port: _answers(f"http://127.0.0.1:{port}/-/ready"), "they watch")

    def wait(self, *names: str, within_s: float = 150) -> None:
        """Return once somebody was told of these alerts."""
        until(lambda: set(names) <= set(self.heard), f"alerts {set(names)}, heard {self.heard}", within_s, 0.2)

    def value(self, expr: str) -> str:
        """Give what Prometheus knows of an expression, for a message."""
        where = f"http://127.0.0.1:{self.port}/api/v1/query?query={urllib.parse.quote(expr)}"
        with urllib.request.urlopen(where, timeout=10) as answer:
            return str(json.load(answer)["data"]["result"])

    def close(self) -> None:
        for process in self._processes:
            process.terminate()
            process.wait(timeout=30)
        for door in self._doors:
            door.close()

    def _start(self, *command: str) -> None:
        with (self._folder / f"{Path(command[0]).name}.log").open("wb") as said:
            self._processes.append(subprocess.Popen(command, cwd=self._folder, stdout=said, stderr=said))

    def _hear(self, path: str, body: bytes) -> str:
        for alert in json.loads(body)["alerts"]:
            labels: dict[str, Any] = alert["labels"]
            assert labels["severity"] == path.strip("/")
            assert alert["annotations"]["runbook"].endswith(f"#{labels['alertname'].lower()}")
            if alert["status"] == "firing":
                self.heard[labels["alertname"]] = labels["severity"]
        return ""

    def _play(self, path: str, _: bytes) -> str:
        assert path == "/metrics"
        seconds = time.monotonic() - self._began
        return "".join(f"{series} {value(seconds)}\n" for series, value in self._played.items())


def quick(rules: str) -> str:
    """Give the same rules with all times cut down to seconds."""
    for was, now in SPANS.items():
        assert was in rules
        rules = rules.replace(was, now)
    return re.sub(r"for: \w+", "for: 1s", rules)


def _answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
        return bool(answer.status == 200)
    return False
