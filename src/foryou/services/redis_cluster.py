"""How is a Redis Cluster started? Three masters with a replica each, on one machine."""

import subprocess
from collections.abc import Mapping, Sequence

from foryou.domain.errors import Unavailable
from foryou.services.install import program
from foryou.services.ports import HOST
from foryou.services.redis import PACKAGE, ask, server
from foryou.services.service import Place, Service

MASTERS = 3
NODES = 2 * MASTERS
FORM_S = 30


def _commands(place: Place) -> Mapping[str, Sequence[str]]:
    return {
        f"node-{number}": server(
            place.report, place.ports[number], "--cluster-enabled", "yes", "--cluster-node-timeout", "1000",
            "--cluster-require-full-coverage", "no", "--cluster-port", str(place.ports[NODES + number]),
            "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1",
        )
        for number in range(NODES)
    }  # fmt: skip


def _settle(place: Place) -> None:
    """Form the cluster where it is not formed; raise Unavailable until each node tells its clients of all six.

    `cluster_state:ok` comes before the replicas are attached, and not on all nodes at once. And a replica that is
    attached is told to clients only once something was written or pinged through to it, and the nodes gossiped of it.
    """
    nodes = place.ports[:NODES]
    facts = [_facts(ask(port, "cluster", "info")) for port in nodes]
    if all(fact["cluster_known_nodes"] == "1" for fact in facts):
        _form(nodes, place)
    if any(fact["cluster_state"] != "ok" for fact in facts):
        raise Unavailable("not every node of the cluster knows all slots; wait until they have told each other")
    links = [_facts(ask(port, "info", "replication")) for port in nodes]
    masters = [link for link in links if link["role"] == "master" and link["connected_slaves"] == "1"]
    replicas = [link for link in links if link.get("master_link_status") == "up"]
    if (len(masters), len(replicas)) != (MASTERS, MASTERS):
        raise Unavailable(
            f"{len(masters)} masters have their replica and {len(replicas)} replicas their master, of {MASTERS} each;"
            " wait until they are attached"
        )
    if not all({str(node) for node in nodes} <= set(ask(port, "cluster", "slots").split()) for port in nodes):
        raise Unavailable("not every node tells its clients of all replicas; wait until they have told each other")


def _form(nodes: Sequence[int], place: Place) -> None:
    addresses = [f"{HOST}:{port}" for port in nodes]
    command = [
        program("redis-cli", PACKAGE, place.report), "--cluster", "create", *addresses, "--cluster-replicas", "1",
        "--cluster-yes",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=FORM_S, check=False)
    if done.returncode:
        raise Unavailable(f"the cluster cannot be formed: {done.stdout.strip().splitlines()[-1:]}; start it afresh")


def _facts(text: str) -> dict[str, str]:
    """Give the `name:value` lines of an answer."""
    return dict(line.split(":", 1) for line in text.split() if ":" in line)


REDIS_CLUSTER = Service(
    name="redis-cluster", offset=10, ports=2 * NODES, patience_s=60, commands=_commands, settle=_settle,
    url=lambda place: f"redis+cluster://{','.join(f'{HOST}:{port}' for port in place.ports[:NODES])}",
)  # fmt: skip
