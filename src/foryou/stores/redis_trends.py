"""What is hot right now, over all shards? Only counters that have changed since the last look are read again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from foryou.domain.log import Stream
from foryou.domain.records import KEPT_DAYS, KEPT_HOURS, Firsts, Trending
from foryou.stores.redis_servers import Servers
from foryou.stores.redis_values import Counted, counters, summed

HOURS, DAYS = b"h", b"d"


@dataclass(slots=True)
class _Shard:
    """What was read of one shard. A seal is what a change put on all that it touched, like no other."""

    generation: int = 0
    seal: bytes = b""
    position: dict[int, int] = field(default_factory=dict)
    buckets: dict[bytes, tuple[bytes, Counted]] = field(default_factory=dict)  # name -> seal, counters


class Trends:
    """The counters as they were at the last look. Not for two threads at once."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._shards: dict[bytes, _Shard] = {}
        self._known: Trending | None = None

    def look(self, tags: Sequence[bytes], generations: Sequence[int], seals: Sequence[bytes]) -> Trending:
        """Give the counters of all shards; of those whose seal or generation is another now, the news are read."""
        calls = []
        for tag, generation, seal in zip(tags, generations, seals, strict=True):
            shard = self._shards.get(tag)
            if shard is None or shard.generation != generation:
                shard = self._shards[tag] = _Shard(generation)
            if shard.seal != seal:
                known = b"".join(name + held for name, (held, _) in shard.buckets.items())
                calls.append((tag, (generation, known)))
        for (tag, _), said in zip(calls, self._servers.run_all("counters", calls), strict=True):
            _take(self._shards[tag], said)
        if calls or self._known is None:
            self._known = self._summed()
        return self._known

    def _summed(self) -> Trending:
        kinds: dict[bytes, list[Counted]] = {HOURS: [], DAYS: []}
        position: dict[int, int] = {}
        for shard in self._shards.values():
            position |= shard.position
            for name, (_, counted) in shard.buckets.items():
                kinds[name[:1]].append(counted)
        return Trending(*summed(kinds[HOURS], KEPT_HOURS), position, Firsts(*summed(kinds[DAYS], KEPT_DAYS)))


def _take(shard: _Shard, said: list[Any]) -> None:
    """Take up what the script `counters` says of a shard."""
    shard.seal, position, names, *news = said
    shard.position = {}
    for place, offset in zip(position[::2], position[1::2], strict=True):
        partition, _, stream = place.decode().partition(":")
        if stream == Stream.EVENTS:
            shard.position[int(partition)] = int(offset)
    shard.buckets = {name: shard.buckets[name] for name in names if name in shard.buckets}
    for name, held, counted in zip(news[::3], news[1::3], news[2::3], strict=True):
        shard.buckets[name] = held, counters(int(name[1:]), counted[::2], counted[1::2])
