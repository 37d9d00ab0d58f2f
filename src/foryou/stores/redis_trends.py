"""What is hot right now, over all shards? Only what has been counted since the last look is read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import numpy as np

from foryou.domain.log import Stream
from foryou.domain.records import KEPT_DAYS, KEPT_HOURS, NO_FIRSTS, TALLIES, Firsts, Tallies, Trending
from foryou.stores.redis_servers import Servers
from foryou.stores.redis_values import DAYS, HOURS, LETTERS, Counted, added, counters, increments_of, summed

_UNKNOWN = bytes(8)  # the seal of a bucket to which increments were added: it has another one by now


@dataclass(slots=True)
class _Shard:
    """What was read of one shard. A seal is what a change put on all that it touched, like no other."""

    generation: int = 0
    seal: bytes = b""
    position: dict[int, int] = field(default_factory=dict)
    exposures: dict[int, int] = field(default_factory=dict)
    seals: dict[bytes, bytes] = field(default_factory=dict)  # of its buckets
    buckets: dict[bytes, Counted] = field(default_factory=dict)


class Trends:
    """The counters as they were at the last look. Not for two threads at once."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._shards: dict[bytes, _Shard] = {}
        self._total: dict[bytes, Counted] = {}  # of each bucket, over all shards
        self._known: Trending | None = None

    def look(self, tags: Sequence[bytes], generations: Sequence[int], seals: Sequence[bytes]) -> Trending:
        """Give the counters of all shards; of those whose seal or generation is another now, the news are read."""
        calls, stale = [], set[bytes]()
        for tag, generation, seal in zip(tags, generations, seals, strict=True):
            shard = self._shards.setdefault(tag, _Shard(generation))
            if shard.generation != generation:
                stale |= shard.buckets.keys()
                shard = self._shards[tag] = _Shard(generation)
            if shard.seal != seal:
                known = b"".join(name + held for name, held in shard.seals.items())
                calls.append((tag, (generation, shard.seal, known)))
        for (tag, _), said in zip(calls, self._servers.run_all("counters", calls), strict=True):
            stale |= self._take(self._shards[tag], said)
        for name in stale:
            self._total.pop(name, None)
            if parts := [shard.buckets[name] for shard in self._shards.values() if name in shard.buckets]:
                self._total[name] = summed(parts)
        if calls or stale or self._known is None:
            self._known = self._of_all()
        return self._known

    def _take(self, shard: _Shard, said: list[Any]) -> set[bytes]:
        """Take up what the script `counters` says of a shard; gives the buckets whose total must be made anew."""
        shard.seal, position, names, follows, news = said
        shard.position = dict(_positions(position, Stream.EVENTS))
        shard.exposures = dict(_positions(position, Stream.EXPOSURES))
        stale = shard.buckets.keys() - set(names)
        for name in stale:
            del shard.buckets[name], shard.seals[name]
        if not follows:
            for name, held, counted in zip(news[::3], news[1::3], news[2::3], strict=True):
                shard.seals[name], shard.buckets[name] = held, counters(counted[::2], counted[1::2])
            return stale | set(news[::3])
        for name, more in increments_of(news):
            if name not in names:
                continue
            shard.seals[name] = _UNKNOWN
            for counted in (shard.buckets, self._total):
                counted[name] = added(counted[name], more) if name in counted else (more[0], more[1].copy())
        return stale

    def _of_all(self) -> Trending:
        position = {part: offset for shard in self._shards.values() for part, offset in shard.position.items()}
        return Trending(*self._newest(HOURS, KEPT_HOURS), position, Firsts(*self._newest(DAYS, KEPT_DAYS)))

    def tallies(self) -> Tallies:
        """Give what came of showing items, as of the last look."""
        shards = self._shards.values()
        found = {kind: Firsts(*self._newest(LETTERS[kind], days)) for kind, days in TALLIES.items()}
        return Tallies(
            {kind: counted for kind, counted in found.items() if len(counted.day)},
            {part: offset for shard in shards for part, offset in shard.position.items()},
            {part: offset for shard in shards for part, offset in shard.exposures.items()},
        )

    def _newest(self, kind: bytes, kept: int) -> tuple[Any, Any, Any]:
        """Give bucket, item and count of one kind, without those `kept` before the newest bucket."""
        buckets = sorted(
            ((int(name[1:]), counted) for name, counted in self._total.items() if name[:1] == kind), key=itemgetter(0)
        )
        new = [(bucket, counted) for bucket, counted in buckets if bucket >= buckets[-1][0] - kept]
        if not new:
            return NO_FIRSTS.day, NO_FIRSTS.item, NO_FIRSTS.count
        sizes = [len(counted[0]) for _, counted in new]
        return (
            np.repeat(np.array([bucket for bucket, _ in new], np.int32), sizes),
            np.concatenate([counted[0] for _, counted in new]),
            np.concatenate([counted[1] for _, counted in new]),
        )


def _positions(said: Sequence[bytes], wanted: Stream) -> Iterable[tuple[int, int]]:
    for place, offset in zip(said[::2], said[1::2], strict=True):
        partition, _, stream = place.decode().partition(":")
        if stream == wanted:
            yield int(partition), int(offset)
