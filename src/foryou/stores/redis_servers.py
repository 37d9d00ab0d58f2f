"""How does a store talk to Redis? Reads in one round trip, scripts by slot, and nobody waits for the dead."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.crc import key_slot
from redis.exceptions import ClusterDownError, NoScriptError, RedisClusterException, RedisError, ResponseError
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import TimeoutError as Silent
from redis.retry import Retry

from foryou.domain.errors import Unavailable
from foryou.stores.redis_address import Address
from foryou.stores.redis_calls import Call, Node, asked
from foryou.stores.redis_down import Down

SCRIPTS = Path(__file__).parent / "lua"
BATCH = 256  # keys of a read that `read_ms` is meant for; more have as much more time
SCANNED = 1_000  # keys per step of a deletion
ANY = ""  # the name of whichever server, as long as none was ever reached
FAILURES = (RedisError, RedisClusterException)  # the second is none of the first
Value = bytes | None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long servers may take. `read_ms`: for one batch of records; `write_ms`: for a script, and for who folds.

    `replicas`: read from a replica where there is one; it may be some milliseconds behind.
    """

    read_ms: int = 50
    write_ms: int = 2_000
    replicas: bool = False


@cache
def script(name: str) -> tuple[str, str]:
    """Give the text of a script and the name that a server knows it by."""
    text = (SCRIPTS / f"{name}.lua").read_text(encoding="utf-8")
    return text, sha1(text.encode(), usedforsecurity=False).hexdigest()


class Servers:
    """One Redis or a cluster. Keys that belong together share a tag, their beginning in braces, and so a slot."""

    def __init__(self, where: Address, password: str = "", patience: Patience | None = None) -> None:
        self.where, self._password, self._patience = where, password, patience or Patience()
        self._made: redis.Redis | RedisCluster | None = None
        self._slots: dict[bytes, int] = {}
        self._primaries: dict[bytes, Node] = {}  # by tag, as long as all is well and no slot moves
        self._making = threading.Lock()
        self._down = Down(self._answers, self._look_around)

    def another(self) -> "Servers":
        """Give one more client of the same servers."""
        return Servers(self.where, self._password, self._patience)

    def gather(
        self,
        wanted: Sequence[tuple[bytes, Sequence[bytes]]],
        primary: bool = False,
        by: list[Node | None] | None = None,
    ) -> list[list[Value] | None]:
        """Give the values of keys, for each pair of a tag and keys that begin with it; None where nobody answers.

        `by` is filled with who answered each pair; None = nobody, or a server that was not asked in the first place.
        One round trip, to all servers at once. A server that fails is not asked again until it is known to be back;
        what it holds is read from its replica, if it has one, unless only the `primary` will do. Raises Unavailable if
        there is no server at all.
        """
        found: list[list[Value] | None] = [None] * len(wanted)
        answered: list[Node | None] = [None] * len(wanted)
        left: list[int] = list(range(len(wanted)))
        batches = 1 + sum(len(keys) for _, keys in wanted) // BATCH
        patience_s = (self._patience.write_ms if primary else self._patience.read_ms * batches) / 1e3
        with self._translated():
            while left:
                ways = _by_node([(number, self._reader(wanted[number][0], primary)) for number in left])
                calls = asked([Call(node, [("MGET", *wanted[n][1]) for n in numbers]) for node, numbers in ways])
                ends, left = time.monotonic() + patience_s, []
                for call, (node, numbers) in zip(calls, ways, strict=True):
                    for number, answer in zip(numbers, call.answers(ends), strict=True):
                        if type(answer) is list:
                            found[number] = answer
                            answered[number] = node if self._patience.replicas or not node.replica else None
                        elif isinstance(answer, ResponseError) and not isinstance(answer, ClusterDownError):
                            # Moved, or on the move. In a cluster that is down the client would wait for it instead.
                            self._primaries.clear()
                            found[number] = [self._client.get(key) for key in wanted[number][1]]
                        else:
                            self._down.add(node.name, answer)
                            left.append(number)  # for the replica
        if by is not None:
            by[:] = answered
        return found

    def run(self, name: str, tag: bytes, *arguments: Any) -> Any:
        """Run a script where the tag is, and give what it gives. Raises Unavailable."""
        text, known_as = script(name)
        with self._translated():
            node = self._usable(tag)
            try:
                return self._client.evalsha(known_as, 1, tag, *arguments)
            except NoScriptError:
                return self._client.eval(text, 1, tag, *arguments)
            except (Disconnected, Silent) as error:
                self._down.add(node.name, error)
                raise

    def run_all(self, name: str, calls: Sequence[tuple[bytes, Sequence[Any]]]) -> list[Any]:
        """Run a script once per tag with its arguments, in one round trip to all servers. Raises Unavailable."""
        found = self.run_each(name, calls)
        for one in found:
            if isinstance(one, Unavailable):
                raise one
        return found

    def run_each(self, name: str, calls: Sequence[tuple[bytes, Sequence[Any]]]) -> list[Any]:
        """Run a script as `run_all` does; the Unavailable of a server stands at the places of what it was asked."""
        known_as = script(name)[1]
        found: list[Any] = [None] * len(calls)
        ways: list[tuple[int, Node]] = []
        for number, (tag, _) in enumerate(calls):
            try:
                with self._translated():
                    ways.append((number, self._usable(tag)))
            except Unavailable as error:
                found[number] = error
        nodes = _by_node(ways)
        made = asked([
            Call(node, [("EVALSHA", known_as, 1, calls[n][0], *calls[n][1]) for n in numbers])
            for node, numbers in nodes
        ])  # fmt: skip
        ends = time.monotonic() + self._patience.write_ms / 1e3
        for call, (node, numbers) in zip(made, nodes, strict=True):
            for number, answer in zip(numbers, call.answers(ends), strict=True):
                found[number] = self._settled(name, calls[number], node, answer)
        return found

    def _settled(self, name: str, call: tuple[bytes, Sequence[Any]], node: Node, answer: Any) -> Any:
        """Give the answer of a script, asked again where the server did not know it, or has it no more."""
        if not isinstance(answer, RedisError):
            return answer
        try:
            with self._translated():
                if isinstance(answer, Disconnected | Silent):
                    self._down.add(node.name, answer)
                    raise answer
            return self.run(name, call[0], *call[1])
        except Unavailable as error:
            return error

    def fold_of(self, key: bytes, offset: int) -> list[bytes]:
        """Give the member of a sorted set with the lowest score from `offset` up. Raises Unavailable."""
        with self._translated():
            return list(self._client.zrangebyscore(key, offset, "+inf", start=0, num=1))

    def delete(self, pattern: str, beginning: bytes) -> None:
        """Delete the keys that match the pattern and, after their tag, begin like this; in small steps."""
        with self._translated():
            some: list[bytes] = []
            for key in self._client.scan_iter(match=pattern, count=SCANNED):
                if key[key.index(b"}") + 1 :].startswith(beginning):
                    some.append(key)
                if len(some) >= SCANNED:
                    self._client.unlink(*some)
                    some = []
            if some:
                self._client.unlink(*some)

    def unlink(self, key: bytes) -> None:
        """Delete one key. Raises Unavailable."""
        with self._translated():
            self._client.unlink(key)

    def unreachable(self, tag: bytes) -> Unavailable:
        """Give the error that says that nobody who has this tag answers."""
        why = "; ".join(
            f"{name or 'any server'}: {str(error) or type(error).__name__}" for name, error in self._down.why()
        )
        return Unavailable(f"{self.where} gives no answer for {tag.decode()} ({why}); see whether its servers run")

    def close(self) -> None:
        """Let go of all connections."""
        self._down.close()
        if self._made is not None:
            self._made.close()

    @property
    def _client(self) -> Any:
        """Give the client. The first use connects it; where nobody answers, the next ones do not try again."""
        with self._making:
            if self._made is None:
                if ANY in self._down:
                    raise Disconnected("no server answers")
                try:
                    self._made = self._connected()
                except FAILURES as error:
                    self._down.add(ANY, error)
                    raise
            return self._made

    def _connected(self) -> redis.Redis | RedisCluster:
        seconds = self._patience.write_ms / 1e3
        shared: dict[str, Any] = {
            "username": self.where.user or None, "password": self._password or None, "protocol": 2,
            "socket_timeout": seconds, "socket_connect_timeout": min(seconds, 4 * self._patience.read_ms / 1e3),
            "retry": Retry(NoBackoff(), 0),
        }  # fmt: skip
        if self.where.cluster:
            nodes = [ClusterNode(host, port) for host, port in self.where.hosts]  # type: ignore[no-untyped-call]
            return RedisCluster(startup_nodes=nodes, require_full_coverage=False, **shared)
        host, port = self.where.hosts[0]
        return redis.Redis(host=host, port=port, db=self.where.database, **shared)

    def _nodes(self, tag: bytes, replicas: bool = True) -> list[Node]:
        """Give the servers that have this tag, the primary first."""
        client = self._client
        if not self.where.cluster:
            return [Node(str(self.where), client.connection_pool)]
        slot = self._slots.get(tag)
        if slot is None:
            slot = self._slots[tag] = key_slot(tag)
        return [
            Node(one.name, client.get_redis_connection(one).connection_pool, place > 0)
            for place, one in enumerate(client.nodes_manager.slots_cache.get(slot) or ())
            if place == 0 or replicas
        ]

    def _usable(self, tag: bytes) -> Node:
        """Give the primary of a tag. Raises Disconnected if it is known to be down."""
        nodes = self._nodes(tag, replicas=False)
        if not nodes or nodes[0].name in self._down:
            raise Disconnected(f"{nodes[0].name if nodes else 'its slot'} is down")
        return nodes[0]

    def _reader(self, tag: bytes, primary: bool = False) -> Node | None:
        if self._down or self._patience.replicas:
            self._primaries.clear()
        elif (node := self._primaries.get(tag)) is not None:
            return node
        node = self._chosen(tag, primary)
        if node is not None and not node.replica and not self._down:
            self._primaries[tag] = node
        return node

    def _chosen(self, tag: bytes, primary: bool) -> Node | None:
        nodes = self._nodes(tag, replicas=not primary and (self._patience.replicas or bool(self._down)))
        if self._patience.replicas:
            nodes = nodes[1:] + nodes[:1]
        return next((node for node in nodes if node.name not in self._down), None)

    def _answers(self, name: str) -> bool:
        """Say whether a server that was down can be used again, or is none of these servers any more."""
        try:
            if name == ANY:
                self._made = self._connected()
                return True
            if not self.where.cluster:
                return bool(self._client.ping())
            node = self._client.get_node(node_name=name)
            return node is None or bool(self._client.ping(target_nodes=node))
        except FAILURES:
            return False

    def _look_around(self) -> None:
        """Learn which server has what now."""
        if self.where.cluster and self._made is not None:
            self._client.nodes_manager.initialize()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except FAILURES as error:
            raise Unavailable(
                f"{self.where} cannot be used now: {str(error) or type(error).__name__}; see whether its servers run"
            ) from error


def _by_node(ways: Iterable[tuple[int, Node | None]]) -> list[tuple[Node, list[int]]]:
    """Group numbers by the server that they go to."""
    found: dict[str, tuple[Node, list[int]]] = {}
    for number, node in ways:
        if node is not None:
            found.setdefault(node.name, (node, []))[1].append(number)
    return list(found.values())
