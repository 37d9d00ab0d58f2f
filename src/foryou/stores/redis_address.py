"""Which Redis does a URL mean? Its servers, and the namespace in which a store keeps to itself."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from foryou.domain.errors import Invalid

PORT = 6379
NAMESPACE = "foryou"
SINGLE, CLUSTER = "redis", "redis+cluster"
_FORM = "redis://[user@]host[:port][/database] or redis+cluster://[user@]host:port,host:port, then [?namespace=name]"
_HOST = re.compile(r"([\w.-]+|\[[0-9a-fA-F:]+\])(?::(\d+))?")
_NAMESPACE = re.compile(r"[\w.-]+")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a store lies in Redis. Of a cluster any of its servers will do."""

    hosts: tuple[tuple[str, int], ...]
    cluster: bool
    user: str = ""
    database: int = 0
    namespace: str = NAMESPACE

    def __str__(self) -> str:
        """Give the URL."""
        user = f"{self.user}@" if self.user else ""
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        database = f"/{self.database}" if self.database else ""
        namespace = f"?namespace={self.namespace}" if self.namespace != NAMESPACE else ""
        return f"{CLUSTER if self.cluster else SINGLE}://{user}{hosts}{database}{namespace}"


def address(url: str) -> Address:
    """Read a URL. Raises Invalid with the form that it must have; a password is not repeated."""
    parts = urlsplit(url)
    user, _, hosts = parts.netloc.rpartition("@")
    if ":" in user:
        raise Invalid(
            "redis", "the URL holds a password, which everybody sees who sees the settings",
            "take it out of the URL and set the variable REDISCLI_AUTH",
        )  # fmt: skip
    found = [_HOST.fullmatch(host) for host in hosts.split(",")]
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    namespace, database = asked.pop("namespace", NAMESPACE), parts.path.strip("/")
    cluster = parts.scheme == CLUSTER
    if (
        parts.scheme not in (SINGLE, CLUSTER)
        or not all(found)
        or asked
        or not _NAMESPACE.fullmatch(namespace)
        or not re.fullmatch(r"\d*", database)
        or (cluster and database)
        or (not cluster and len(found) > 1)
    ):
        raise Invalid("redis", f"{url!r} is not understood", f"write {_FORM}")
    where = tuple((one[1].strip("[]"), int(one[2] or PORT)) for one in found if one)
    return Address(where, cluster, user, int(database or 0), namespace)
