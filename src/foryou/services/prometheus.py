"""How is a Prometheus started? One that reads the meters of `foryou serve` on its usual port."""

import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence

from foryou.domain.errors import Unavailable
from foryou.services.install import program
from foryou.services.ports import HOST
from foryou.services.service import Place, Service

SCRAPED = f"{HOST}:8000"
SETTINGS = f"""\
global:
  scrape_interval: 5s
scrape_configs:
  - job_name: foryou
    static_configs:
      - targets: ["{SCRAPED}"]
"""


def _commands(place: Place) -> Mapping[str, Sequence[str]]:
    folder = place.folder / "server"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yml").write_text(SETTINGS, encoding="utf-8")
    return {
        "server": [
            program("prometheus", "prometheus", place.report), "--config.file=prometheus.yml",
            "--storage.tsdb.path=data", f"--web.listen-address={HOST}:{place.ports[0]}",
        ]
    }  # fmt: skip


def _settle(place: Place) -> None:
    url = f"{_url(place)}/-/ready"
    try:
        with urllib.request.urlopen(url, timeout=5):
            return
    except (urllib.error.URLError, OSError) as error:
        raise Unavailable(f"{url} says {error}; wait until it has read what it holds") from error


def _url(place: Place) -> str:
    return f"http://{HOST}:{place.ports[0]}"


PROMETHEUS = Service(name="prometheus", offset=50, ports=1, patience_s=30, commands=_commands, settle=_settle, url=_url)
