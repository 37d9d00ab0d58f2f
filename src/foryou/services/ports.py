"""Which TCP ports of this machine are free?"""

import random
import socket

from foryou.domain.errors import Unavailable

HOST = "127.0.0.1"
FIRST_PORT = 20_000  # below those that systems give to outgoing connections, so none is taken before it is used
LAST_PORT = 32_000


def free(number: int = 1) -> tuple[int, ...]:
    """Give that many TCP ports that nobody listens on. Raises Unavailable if there are not enough."""
    tried = random.sample(range(FIRST_PORT, LAST_PORT), k=50 * number)
    found = [port for port in tried if not is_taken(port)][:number]
    if len(found) < number:
        raise Unavailable(f"{number} free TCP ports are needed, {len(found)} were found; stop some programs")
    return tuple(found)


def is_taken(port: int) -> bool:
    """Say whether somebody listens on the port, on this address or on all."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what waits after its end is free
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def answers(port: int) -> bool:
    """Say whether a connection to the port is taken up."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0
