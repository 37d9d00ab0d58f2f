"""How is an Alertmanager started? One that takes alerts and tells nobody; deploy/prometheus has one that does."""

import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence

from foryou.domain.errors import Unavailable
from foryou.services.install import program
from foryou.services.ports import HOST
from foryou.services.service import Place, Service

SETTINGS = "route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n"


def _commands(place: Place) -> Mapping[str, Sequence[str]]:
    folder = place.folder / "server"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "alertmanager.yml").write_text(SETTINGS, encoding="utf-8")
    return {
        "server": [
            program("prometheus-alertmanager", "prometheus-alertmanager", place.report),
            "--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address=",
            f"--web.listen-address={HOST}:{place.ports[0]}",
        ]
    }  # fmt: skip


def _settle(place: Place) -> None:
    url = f"{_url(place)}/-/ready"
    try:
        with urllib.request.urlopen(url, timeout=5):
            return
    except (urllib.error.URLError, OSError) as error:
        raise Unavailable(f"{url} says {error}; see whether its port is taken") from error


def _url(place: Place) -> str:
    return f"http://{HOST}:{place.ports[0]}"


ALERTMANAGER = Service(
    name="alertmanager", offset=60, ports=1, patience_s=30, commands=_commands, settle=_settle, url=_url
)
