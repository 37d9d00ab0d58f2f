"""Where do user records lie at scale? In Redis, the users of a partition in one slot with the position they reflect."""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from foryou.domain.errors import Conflict, Incomplete, Invalid, Refused, StalePosition, Unavailable
from foryou.domain.log import Stream, partition_of
from foryou.domain.ports import TimeSource
from foryou.domain.records import FOLD_VERSION, KEPT_DAYS, KEPT_HOURS, TALLIES, Change, Tallies, Trending, UserRecord
from foryou.stores.redis_calls import Node
from foryou.stores.redis_ear import Ear, Told
from foryou.stores.redis_servers import Servers, Value
from foryou.stores.redis_trends import Trends
from foryou.stores.redis_values import DAYS, HOURS, LETTERS, increments, packed, unpacked
from foryou.stores.turns import tried

_KEPT = b"".join([b"%b%d" % (DAYS, KEPT_DAYS), *(b"%b%d" % (LETTERS[kind], days) for kind, days in TALLIES.items())])
KEPT_FOLDS = 1_000  # commits per partition that `folded_ms` remembers
TURNS = 3  # reads, while generations are being switched


@dataclass(frozen=True, slots=True)
class _Right:
    """Who may write a generation, as the store knows it. holder: empty = nobody."""

    generation: int
    holder: str
    token: int
    fold_version: int
    live: int


@dataclass(frozen=True, slots=True)
class Look:
    """What a read found, user by user. by: the server that said it, None = one that stood in for it.

    missing: places of those who cannot be reached; error: why, if there are any.
    """

    found: list[UserRecord | None]
    by: list[Node | None]
    missing: list[int]
    error: Unavailable | None = None


class RedisFeatures:
    """A FeatureStore in one Redis or a cluster; readers in any number of processes, one writer at a time by lease.

    `shards`: the hash tags over which users are spread; that of the log's partitions, or a number that divides it, so
    that a partition's records, counters and position share a slot and are written by one script, all or nothing.
    Each shard also holds the number of the generation that it reads (`live`) and who may write it (`fences`), told to
    it by whoever takes the lease, so that neither a read nor a write needs a second server. In a failover a shard may
    lose its newest changes, but always with the position that they reflect: they are folded again.
    `generation`: only what `begin_generation` gives has one; None reads and writes whichever is live.
    """

    def __init__(self, servers: Servers, clock: TimeSource, shards: int, generation: int | None = None) -> None:
        self._servers, self._clock, self._shards, self._generation = servers, clock, shards, generation
        self._tags = [b"{%b:%d}" % (servers.where.namespace.encode(), shard) for shard in range(shards)]
        self._root = b"{%b}" % servers.where.namespace.encode()
        self._live = [generation or 1] * shards  # as each shard said last
        self._told: _Right | None = None  # what all shards have been told
        self._agreed, self._name = False, ""
        self._trends = Trends(servers)
        self._looking = threading.Lock()

    def read(self, users: Sequence[str]) -> list[UserRecord | None]:
        """Give the record of each user, in one round trip to all servers at once; None = never seen.

        Incomplete if the servers of some, Unavailable if those of all do not answer, nor a replica of theirs.
        """
        look = self.look(users)
        if look.error:
            raise look.error
        return look.found

    def look(self, users: Sequence[str]) -> Look:
        """Read as `read` does and give also who answered. Raises Unavailable if there is no server at all."""
        places: dict[int, list[int]] = {}
        for place, user in enumerate(users):
            places.setdefault(partition_of(user, self._shards), []).append(place)
        names = [user.encode() for user in users]
        found: list[UserRecord | None] = [None] * len(users)
        by: list[Node | None] = [None] * len(users)
        values = self._values({shard: [names[n] for n in some] for shard, some in places.items()})
        for shard, (some, node) in values.items():
            for place, value in zip(places[shard], some, strict=True):
                found[place], by[place] = unpacked(value) if value is not None else None, node
        missing = sorted(place for shard, some in places.items() if shard not in values for place in some)
        if not missing:
            return Look(found, by, missing)
        error = self._servers.unreachable(self._tags[partition_of(users[missing[0]], self._shards)])
        return Look(found, by, missing, Incomplete(str(error), found, missing) if values else error)

    def listen(self, node: Node, told: Told) -> Ear:
        """Hear which keys of this store change on a server; whoever asks closes it."""
        return Ear(node, b"{%b:" % self._servers.where.namespace.encode(), told)

    def _values(self, wanted: dict[int, list[bytes]]) -> dict[int, tuple[list[Value], Node | None]]:
        """Give what is stored of users, by shard that answers. One that reads another generation is asked again."""
        found: dict[int, tuple[list[Value], Node | None]] = {}
        asked = list(wanted)
        for _ in range(TURNS):
            keys = [
                (tag, [tag + b"live", *(b"%b%d:u%b" % (tag, self._live[shard], name) for name in wanted[shard])])
                for shard in asked
                for tag in (self._tags[shard],)
            ]
            again: list[int] = []
            by: list[Node | None] = []
            # Who writes must not read from a replica: a record older than the position would lose what came between.
            answers = self._servers.gather(keys, primary=self._told is not None, by=by)
            for shard, values, node in zip(asked, answers, by, strict=True):
                if values is None:
                    continue
                if self._is_current(shard, values[0]):
                    found[shard] = values[1:], node
                else:
                    again.append(shard)
            asked = again
            if not asked:
                break
        return found

    def _is_current(self, shard: int, live: Value) -> bool:
        """Say whether what was read is of the generation to read; else the next look is."""
        if self._generation is not None or int(live or 1) == self._live[shard]:
            return True
        self._live[shard] = int(live or 1)
        return False

    def write(self, change: Change, token: int) -> None:
        """Write all of the change or nothing. StalePosition if `after` is not what is stored, or the lease is lost.

        Refused if the stored records were folded by other rules, Invalid for a user of another partition.
        """
        shard = change.partition % self._shards
        for attempt in (1, 2):
            tag, arguments = self._call(change, token)
            said = self._servers.run("write", tag, *arguments)
            if said[0] == b"ok":
                return
            if said[0] == b"stale":
                stream, stands, after = (part.decode() for part in said[1:])
                raise StalePosition(
                    f"partition {change.partition} of {stream} stands at {stands}, not at {after}: somebody wrote"
                    " first; read the position and fold from there"
                )
            right = self._right()
            if not right.holder or right.token != token or attempt == 2:
                raise StalePosition(
                    f"the lease with token {token} is lost, {right.holder or 'nobody'} has token {right.token}; take"
                    " the lease again and fold from the stored position"
                )
            if said[0] == b"fold" or right.fold_version != FOLD_VERSION:
                raise Refused(
                    f"the records in {self._servers.where} were folded by version {right.fold_version}, this program"
                    f" folds by {FOLD_VERSION}; run `foryou refold`"
                )
            self._tell(right, [shard])  # it has not heard of this lease: it was down, or lost it in a failover

    def write_all(self, changes: Sequence[Change], token: int) -> list[Unavailable | None]:
        """Write changes of different partitions, each as `write` does, in one round trip to all servers.

        Gives why some could not be reached. What `write` refuses is raised when all have been tried.
        """
        answers = self._servers.run_each("write", [self._call(one, token) for one in changes])

        def write(place: int, change: Change) -> None:
            said = answers[place]
            if isinstance(said, Unavailable):
                raise said
            if said[0] != b"ok":  # it is told why, or tells a shard that has not heard of the lease
                self.write(change, token)

        return tried(changes, write)

    def _call(self, change: Change, token: int) -> tuple[bytes, Sequence[Any]]:
        """Give the tag of a change and what its script takes."""
        shard = change.partition % self._shards
        head = (self._live[shard], int(self._generation is None), token, FOLD_VERSION)
        return self._tags[shard], (*head, *self._parts(change, shard))

    def _parts(self, change: Change, shard: int) -> list[bytes | int | str]:
        """Give a change as the script takes it, from the partition on."""
        streams = list(dict.fromkeys([*change.after, *change.through]))
        is_fold = self._generation is None and Stream.EVENTS in change.through
        parts: list[bytes | int | str] = [
            change.partition, os.urandom(8), self._clock.now_ms() if is_fold else "", KEPT_FOLDS, KEPT_HOURS,
            _KEPT, len(streams), len(change.records),
            increments(HOURS, change.counts) + increments(DAYS, change.firsts)
            + b"".join(increments(LETTERS[kind], counts) for kind, counts in change.tallies.items()),
        ]  # fmt: skip
        for stream in streams:
            after = change.after.get(stream, -1)
            parts += [str(stream), after, change.through.get(stream, after)]
        for user, record in change.records.items():
            if partition_of(user, self._shards) != shard:
                raise Invalid(
                    "change", f"user {user!r} is not of partition {change.partition} among {self._shards} shards",
                    "set stores.partitions to the number of partitions of the log",
                )  # fmt: skip
            parts += [user.encode(), packed(record)]
        return parts

    def position(self, partition: int) -> dict[str, int]:
        """Give stream -> offset that the records of a partition reflect; {} = nothing yet."""
        said = self._servers.run("position", self._tags[partition % self._shards], self._generation or "")
        prefix = f"{partition}:"
        stands = zip((field.decode() for field in said[::2]), said[1::2], strict=True)
        return {field.removeprefix(prefix): int(offset) for field, offset in stands if field.startswith(prefix)}

    def trending(self) -> Trending:
        """Give the counters of the last KEPT_HOURS, with the position of `events` that they were counted through.

        Only what has changed since the last call is read; where nothing has, one round trip tells. The counters of a
        partition are of the same moment as its position; those of two partitions may be of two.
        """
        self._agree()
        with self._looking:
            for _ in range(TURNS):
                keys = [
                    (tag, [tag + b"live", b"%b%d:seal" % (tag, live)])
                    for tag, live in zip(self._tags, self._live, strict=True)
                ]
                seals: list[bytes] = []
                current = True
                for shard, values in enumerate(self._servers.gather(keys)):
                    if values is None:
                        raise self._servers.unreachable(self._tags[shard])
                    current &= self._is_current(shard, values[0])
                    seals.append(values[1] or b"")
                if current:
                    break
            return self._trends.look(self._tags, self._live, seals)

    def tallies(self) -> Tallies:
        """Give what came of showing items; read as `trending` is."""
        self.trending()
        with self._looking:
            return self._trends.tallies()

    def folded_ms(self, partition: int, offset: int) -> int | None:
        """Give when this record of `events` became visible, on the store's clock (as `Entry.appended_ms`).

        None = not yet, or longer ago than KEPT_FOLDS commits of its partition.
        """
        folds = b"%bfolds:%d" % (self._tags[partition % self._shards], partition)
        for fold in self._servers.fold_of(folds, offset):
            after, _, at_ms = map(int, fold.split(b":"))
            return at_ms if after < offset else None
        return None

    def lease(self, holder: str, ttl_ms: int) -> int:
        """Take or keep the right to write for `ttl_ms`, on the server's clock; gives its token.

        Conflict if another has it. A holder that asks again keeps its token, so the name must be of one process only
        (its id and start time). The time only says when another may take over; that no two write is the token's work.
        """
        self._agree()
        generation, *said = self._servers.run("lease", self._root, self._generation or "", holder, ttl_ms)
        if not generation:
            raise Conflict(
                f"the feature store {self._servers.where} is being written by {said[0].decode()}, whose lease ends in"
                f" {said[1] / 1000:.1f} s; stop that worker or wait"
            )
        right = _Right(generation, holder, *said)
        if right != self._told:
            self._tell(right, range(self._shards))
            self._told = right
        return right.token

    def release_lease(self, token: int) -> None:
        """Give the right back; nothing happens if it was lost before."""
        self._agree()
        if said := self._servers.run("holder", self._root, "any", token, 1):
            generation, holder, *more = said
            self._told = None
            self._tell(_Right(generation, holder.decode(), *more), range(self._shards))

    def begin_generation(self) -> "RedisFeatures":
        """Give a store on the same servers that fills a new, empty generation; readers see the live one meanwhile.

        It takes a lease of its own, beside the worker of the live one. What an interrupted rebuild left is deleted.
        """
        self._agree()
        begun, _, left = self._servers.run("generation", self._root, "begin", FOLD_VERSION)
        self._drop(left)
        return RedisFeatures(self._servers.another(), self._clock, self._shards, begun)

    def switch_generation(self) -> None:
        """Make this generation the live one and delete the others; every reader sees it with its next read.

        Conflict as long as it reflects less of the log than the live one. The token of the worker that wrote the
        live one is worth nothing from here on: it gets StalePosition and starts from the new position.
        Shards are switched one by one; if this is interrupted, the next who takes the lease ends it.
        """
        if self._generation is None:
            raise Invalid("generation", "this store has none of its own to switch to", "call begin_generation first")
        self._switch(dry=True)
        _, live, left = self._servers.run("generation", self._root, "live", self._generation)
        if live != self._generation:
            raise Conflict(f"generation {self._generation} is older than the live one, {live}; begin another")
        self._switch(dry=False)
        self._drop(left)

    def name(self) -> str:
        """Give the name of the store: all who open it learn the same, by whichever of its servers."""
        self._agree()
        return f"{self._servers.where.namespace}-{self._name}"

    def close(self) -> None:
        """Let go of all connections."""
        self._servers.close()

    def _switch(self, dry: bool) -> None:
        calls = [(tag, (self._generation, int(dry))) for tag in self._tags]
        for behind in filter(None, self._servers.run_all("switch", calls)):
            partition, _, stream = behind[0].decode().partition(":")
            raise Conflict(
                f"generation {self._generation} stands at {int(behind[2])} in partition {partition} of {stream}, the"
                f" live one at {int(behind[1])}; fold on and switch then"
            )

    def _drop(self, generations: Sequence[int]) -> None:
        """Delete what generations hold. Their positions go first: a rebuild that still runs is refused from then on."""
        for generation in generations:
            for tag in self._tags:
                self._servers.unlink(b"%b%d:at" % (tag, generation))
            self._servers.delete(f"{{{self._servers.where.namespace}:*}}{generation}:*", b"%d:" % generation)
            self._servers.run("generation", self._root, "deleted", generation)

    def _right(self) -> _Right:
        """Give who may write this generation."""
        self._agree()
        generation, holder, *more = self._servers.run("holder", self._root, self._generation or "", 0, 0)
        return _Right(generation, holder.decode(), *more)

    def _tell(self, right: _Right, shards: Sequence[int]) -> None:
        """Tell shards who may write, and which generation is live."""
        told = (right.generation, right.token, right.holder, right.fold_version, right.live)
        self._servers.run_all("fence", [(self._tags[shard], told) for shard in shards])
        if self._generation is None:
            for shard in shards:
                self._live[shard] = max(self._live[shard], right.live)

    def _agree(self) -> None:
        """Make the store where there is none. Refused if it was made with another number of shards."""
        if self._agreed:
            return
        stored, name = self._servers.run("open", self._root, self._shards, FOLD_VERSION, os.urandom(6).hex())
        if stored != self._shards:
            raise Refused(
                f"{self._servers.where} was made with {stored} partitions and is opened with {self._shards}: nobody"
                f" would be found; set stores.partitions to {stored}, or use another namespace and `foryou refold`"
            )
        self._agreed, self._name = True, name.decode()
