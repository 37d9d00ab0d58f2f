"""Does the bench of the memory of users fill, measure and clean up?"""

import pytest

from foryou.bench import memory, people
from foryou.config import load
from foryou.domain.log import partition_of
from foryou.stores.redis_address import address
from foryou.stores.redis_servers import Servers


def test_the_bench_measures_and_leaves_nothing_behind(services, tmp_path) -> None:
    url = f"{services('redis')}?namespace={tmp_path.name}"
    config = load(tmp_path, {}, stores={"features": url, "cached_users": 200, "read_ms": 2_000})
    found = memory.run(config, memory.Traffic(500, 200, 50), 1.0, lambda *_: None)
    assert found["users"] == 500
    assert found["record_bytes"] > 100
    for part in ("cold", "warm", "off"):
        assert found[part]["reads"] > 100
        assert found[part]["failed"] == 0
    assert found["off"]["hit_share"] == 0
    assert found["warm"]["hit_share"] > found["cold"]["hit_share"] > 0
    assert found["memory"]["users"] <= 200
    assert found["stale_ms"]["count"] > 10
    assert 0 < found["stale_ms"]["p50"] < 2_000
    servers = Servers(address(url))
    left: list[bytes] = list(servers._client.scan_iter(match=f"{{{tmp_path.name}*", count=10_000))
    servers.close()
    assert left == []


def test_everybody_is_written_once_and_where_he_belongs() -> None:
    changes = [change for change, _ in people.crowd(2_600, 4)]
    names = [name for change in changes for name in change.records]
    assert sorted(names) == [people.named(number) for number in range(2_600)]
    assert all(partition_of(name, 4) == change.partition for change in changes for name in change.records)
    assert max(len(change.records) for change in changes) <= people.WRITTEN


@pytest.mark.parametrize("seed", [1, 2])
def test_users_come_as_often_as_one_by_their_number(seed: int) -> None:
    names = people.Drawn(1_000, seed).names(20_000)
    first, second = (names.count(people.named(number)) for number in range(2))
    assert 0.11 < first / 20_000 < 0.16  # one by the sum of one by k up to 1,000: 0.134
    assert 1.7 < first / second < 2.3
