"""What does every item store promise?"""

from collections.abc import Callable
from typing import Any

import pytest
from backends import Backend

from foryou.domain.errors import StalePosition
from foryou.domain.item import Item
from foryou.domain.ports import ItemStore


def item(item_id: str, title: str = "") -> Item:
    return Item(item_id=item_id, title=title, categories=("Bücher", "new"), attributes={"a": "b"}, price=9.5)


def put(items: ItemStore, *item_ids: str) -> None:
    after = items.position().get(0, -1)
    items.write({item_id: item(item_id) for item_id in item_ids}, 0, after, after + len(item_ids))


def scanned(items: ItemStore) -> list[tuple[str, str]]:
    return [(found.item_id, found.status) for found in items.scan()]


def test_documents_are_read_back_whole_in_the_order_asked(items: ItemStore) -> None:
    full = Item(
        item_id="full", title="T", categories=("a", "b"), attributes={"k": "v"}, text="long", price=1.25, brand="B",
        published_ms=1, expires_ms=2, status="hidden",
    )  # fmt: skip
    items.write({"full": full, "bare": Item(item_id="bare")}, 0, -1, 1)
    assert items.read(["bare", "unknown", "full", "bare"]) == [Item(item_id="bare"), None, full, Item(item_id="bare")]
    assert items.read([]) == []


def test_a_batch_of_any_size_is_read(items: ItemStore) -> None:
    item_ids = [f"item-{number}" for number in range(1_300)]
    put(items, *item_ids)
    assert items.read(item_ids) == [item(item_id) for item_id in item_ids]


def test_a_deleted_document_is_gone_for_readers(items: ItemStore) -> None:
    put(items, "a", "b")
    items.write({"a": None}, 0, 1, 2)
    assert items.read(["a", "b"]) == [None, item("b")]


def test_a_scan_gives_the_order_of_arrival_and_deleted_ones_as_deleted(items: ItemStore) -> None:
    put(items, "c", "a")
    put(items, "b", "c")  # c changes and keeps its place
    items.write({"a": None}, 0, items.position()[0], 9)
    assert scanned(items) == [("c", "available"), ("a", "deleted"), ("b", "available")]


def test_a_deleted_item_that_returns_has_its_old_place(items: ItemStore) -> None:
    put(items, "a", "b")
    items.write({"a": None}, 0, 1, 2)
    items.write({"c": item("c"), "a": item("a", "again")}, 0, 2, 4)
    assert scanned(items) == [("a", "available"), ("b", "available"), ("c", "available")]
    assert items.read(["a"]) == [item("a", "again")]


def test_deleting_an_unknown_item_leaves_no_trace_but_the_position(items: ItemStore) -> None:
    items.write({"never": None}, 0, -1, 0)
    put(items, "a")
    assert scanned(items) == [("a", "available")]
    assert items.position() == {0: 1}


def test_a_scan_of_many_misses_none_and_lets_writers_in(items: ItemStore) -> None:
    item_ids = [f"item-{number}" for number in range(2_500)]
    put(items, *item_ids)
    found = items.scan()
    first = next(found)
    put(items, "item-0")
    assert [first.item_id, *(one.item_id for one in found)] == item_ids


def test_the_position_is_kept_per_partition(items: ItemStore) -> None:
    assert items.position() == {}
    items.write({}, 0, -1, 7)
    items.write({}, 3, -1, 2)
    items.write({}, 3, 2, 4)
    assert items.position() == {0: 7, 3: 4}


@pytest.mark.parametrize("after", [-1, 4, 6])
def test_a_write_from_another_position_writes_nothing(items: ItemStore, after: int) -> None:
    items.write({"a": item("a")}, 0, -1, 5)
    with pytest.raises(StalePosition, match=f"partition 0 of items stands at 5, not at {after}: somebody wrote first"):
        items.write({"a": None, "b": item("b")}, 0, after, 9)
    assert items.read(["a", "b"]) == [item("a"), None]
    assert items.position() == {0: 5}


def test_another_client_sees_a_write_at_once_and_so_does_one_that_opens_later(
    items: ItemStore, items_backend: Backend, another: Callable[[Backend], Any]
) -> None:
    reader = another(items_backend)
    put(items, "a")
    assert reader.read(["a"]) == [item("a")]
    items.close()
    later = another(items_backend)
    assert later.read(["a"]) == [item("a")]
    assert later.position() == {0: 0}
    put(later, "b")
    assert scanned(reader) == [("a", "available"), ("b", "available")]
