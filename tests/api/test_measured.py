"""Do answers leave behind what operators are told of: reads, models, deadlines, categories?"""

import threading
from collections.abc import Callable
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry
from shop import Shop

from foryou.domain.errors import Unavailable
from foryou.domain.slate import Trace
from foryou.observe.metrics import LONG, SAMPLED, Metrics


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def grown(work: Callable[[], Any], name: str, **labels: str) -> float:
    before = value(name, **labels)
    work()
    return value(name, **labels) - before


def test_each_batch_is_one_read_of_the_records_and_its_queries_have_a_model(standing: Shop) -> None:
    ask = lambda: standing.ask(user_id="ann")  # noqa: E731
    assert grown(ask, "foryou_store_reads_total", outcome="done") == 1
    assert grown(ask, "foryou_store_read_ms_count") == 1
    assert grown(ask, "foryou_model_cache_total", outcome="hit") == 1
    assert grown(ask, "foryou_model_cache_total", outcome="miss") == 0


def test_a_store_that_is_away_is_a_failed_read_and_the_answer_goes_on(shop: Shop, monkeypatch: Any) -> None:
    read = shop.home.features.read

    def away(users: list[str]) -> Any:
        if threading.current_thread().name == "stream":  # who folds has another way to the store
            return read(users)
        raise Unavailable("no store")

    monkeypatch.setattr(shop.home.features, "read", away)
    ask = lambda: shop.ask(user_id="ann")  # noqa: E731
    assert grown(ask, "foryou_store_reads_total", outcome="failed") == 1
    assert grown(ask, "foryou_fallbacks_total", stage="hydrate") == 1


def test_an_untrained_answer_is_a_miss(empty_shop: Shop) -> None:
    assert grown(lambda: empty_shop.ask(user_id="ann"), "foryou_model_cache_total", outcome="miss") == 1


def test_queries_that_ran_out_of_time_count_once_however_many_stages_they_lack() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.trace(Trace(fallbacks=["deadline:rank", "deadline:explain", "hydrate"]), 3)
    metrics.trace(Trace(fallbacks=["hydrate"]), 2)
    assert registry.get_sample_value("foryou_deadline_missed_total") == 3


def test_first_categories_are_counted_of_one_in_so_many_long_answers(shop: Shop) -> None:
    for number in range(LONG):
        shop.client.put(f"/v1/items/more-{number}", json={"title": "More", "categories": [f"c{number % 3}"]})
    shop.settle()
    before = (
        value("foryou_answer_categories_count", placement="home"),
        value("foryou_answer_categories_sum", placement="home"),
    )
    asked = [shop.shown(num_results=5, user_id="ann") for _ in range(2 * SAMPLED)]
    assert {len(items) for items in asked} == {5}
    assert value("foryou_answer_categories_count", placement="home") == before[0]
    for _ in range(SAMPLED + 1):
        items = shop.shown(num_results=16, user_id="ann")
    assert len(items) >= LONG
    count = value("foryou_answer_categories_count", placement="home") - before[0]
    assert count in (1, 2)
    assert 3 <= (value("foryou_answer_categories_sum", placement="home") - before[1]) / count <= 7
