"""How is an S3 started? moto's server, a double that keeps its objects in memory: it forgets them when it stops."""

import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence

from foryou.domain.errors import Unavailable
from foryou.services.ports import HOST
from foryou.services.service import Place, Service

BUCKET = "foryou"
REGION = "us-east-1"


def _commands(place: Place) -> Mapping[str, Sequence[str]]:
    return {"moto": [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(place.ports[0])]}


def _settle(place: Place) -> None:
    """Make the bucket, which may be there already."""
    url = f"{_url(place)}/{BUCKET}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="PUT"), timeout=5):
            return
    except (urllib.error.URLError, OSError) as error:
        raise Unavailable(f"{url} cannot be made a bucket ({error}); wait until moto has started") from error


def _url(place: Place) -> str:
    return f"http://{HOST}:{place.ports[0]}"


def _variables(place: Place) -> Mapping[str, str]:
    """Give what leads any S3 client here; moto believes every key."""
    return {
        "AWS_ENDPOINT_URL": _url(place), "AWS_REGION": REGION, "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "double", "AWS_SECRET_ACCESS_KEY": "double",
    }  # fmt: skip


S3 = Service(
    name="s3", offset=40, ports=1, patience_s=60, commands=_commands, settle=_settle, url=_url, variables=_variables
)
