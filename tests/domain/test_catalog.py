"""Is an item known by the same number for ever, and does a view say what was said of its items last?"""

from collections.abc import Sequence
from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foryou.domain import catalog as catalogs
from foryou.domain.catalog import EMPTY, Arena, Catalog, build
from foryou.domain.event import hash64, hashes
from foryou.domain.item import Item, ItemChange, changed
from tries import tries

SOME = tries(100)
ITEMS = [
    Item(item_id="a", title="Äpfel", categories=("fruit", "red"), price=2.5, published_ms=10, expires_ms=20),
    Item(item_id="b", categories=("tools",), status="sold out"),
    Item(item_id="漢", title="Kanji", categories=("fruit",)),
]
COLUMNS = ("hash", "price", "created_ms", "expires_ms", "available", "category")


def put(item_id: str, **what: object) -> ItemChange:
    return ItemChange(item_id=item_id, op="put", received_ms=7, **what)


def patch(item_id: str, **what: object) -> ItemChange:
    return ItemChange(item_id=item_id, op="patch", received_ms=8, **what)


def delete(item_id: str) -> ItemChange:
    return ItemChange(item_id=item_id, op="delete")


def said(catalog: Catalog) -> list[tuple[object, ...]]:
    """Give all that a view says of its items, by number."""
    return [
        (
            catalog.id_of(n), catalog.title_of(n), catalog.category_name(int(catalog.category[n])),
            float(catalog.price[n]), int(catalog.created_ms[n]), int(catalog.expires_ms[n]), bool(catalog.available[n]),
        )
        for n in range(1, len(catalog) + 1)
    ]  # fmt: skip


def test_items_are_numbered_from_one_in_their_order_and_nobody_is_nought() -> None:
    catalog = build(ITEMS, "v1", {0: 4})
    assert (len(catalog), catalog.version, catalog.position) == (3, "v1", {0: 4})
    assert [catalog.number(item_id) for item_id in ("a", "b", "漢", "unknown", "")] == [1, 2, 3, 0, 0]
    assert catalog.numbers(hashes(["漢", "x", "a"]).reshape(3, 1)).tolist() == [[3], [0], [1]]
    assert catalog.numbers(np.zeros(2, np.uint64)).tolist() == [0, 0]
    assert said(catalog) == [
        ("a", "Äpfel", "fruit", 2.5, 10, 20, True), ("b", "b", "tools", 0, 0, 0, False),
        ("漢", "Kanji", "fruit", 0, 0, 0, True),
    ]  # fmt: skip
    for name in COLUMNS:
        assert not getattr(catalog, name)[0]
    assert catalog.hash32.tolist() == [0, *(hash64(item.item_id) % 2**32 for item in ITEMS)]
    assert catalog.category_name(0) == ""


def test_an_empty_catalog_knows_nothing_and_can_grow() -> None:
    assert (len(EMPTY), EMPTY.number("a")) == (0, 0)
    grown = EMPTY.extended([put("a", title="A", categories=("x",)), put("b", categories=("y",))], {1: 0})
    assert [grown.number(item_id) for item_id in "ab"] == [1, 2]
    assert [row[:3] for row in said(grown)] == [("a", "A", "x"), ("b", "b", "y")]
    assert len(EMPTY) == 0


def test_a_new_item_gets_the_next_number_and_the_old_view_stays_as_it_was() -> None:
    old = build(ITEMS, "v1", {})
    before = said(old)
    new = old.extended([put("new", title="Neu", price=1.0), patch("a", price=3.0)], {2: 9})
    assert (new.number("new"), len(new), new.position, new.version) == (4, 4, {2: 9}, "v1")
    assert new.numbers(hashes(["new", "a", "no"])).tolist() == [4, 1, 0]
    assert said(new)[3] == ("new", "Neu", "", 1.0, 7, 0, True)
    assert float(new.price[1]) == 3.0
    assert said(old) == before
    again = new.extended([put("newer"), patch("new", title="Neuer")], {2: 10})
    assert [again.number(item_id) for item_id in ("new", "newer")] == [4, 5]
    assert again.title_of(4) == "Neuer"
    assert new.title_of(4) == "Neu"


def test_no_changes_move_the_position_only() -> None:
    catalog = build(ITEMS, "v1", {})
    assert said(catalog.extended([], {0: 3})) == said(catalog)
    assert catalog.extended([], {0: 3}).position == {0: 3}


def test_a_patch_changes_what_it_says_and_a_put_everything() -> None:
    catalog = build(ITEMS, "v1", {})
    patched = catalog.extended([patch("a", status="sold out")], {})
    assert said(patched)[0] == ("a", "Äpfel", "fruit", 2.5, 10, 20, False)
    assert said(patched.extended([patch("a", status="available")], {}))[0] == said(catalog)[0]
    replaced = catalog.extended([put("a", title="Apfel")], {})
    assert said(replaced)[0] == ("a", "Apfel", "", 0, 10, 0, True)


def test_a_deleted_item_is_unavailable_and_may_come_back_under_its_number() -> None:
    catalog = build(ITEMS, "v1", {}).extended([delete("a"), delete("never there")], {})
    assert (len(catalog), catalog.number("a"), catalog.number("never there")) == (3, 1, 0)
    assert not catalog.available[1]
    back = catalog.extended([put("a", title="Back")], {})
    assert (back.number("a"), back.title_of(1), bool(back.available[1])) == (1, "Back", True)


def test_a_category_keeps_its_number_and_a_new_one_gets_the_next() -> None:
    catalog = build(ITEMS, "v1", {})
    grown = catalog.extended([put("x", categories=("tools",)), put("y", categories=("new", "fruit"))], {})
    again = grown.extended([put("z", categories=("new",)), put("w", categories=("newest",))], {})
    names = [again.category_name(number) for number in again.category[1:].tolist()]
    assert names[3:] == ["tools", "new", "new", "newest"]
    assert names[:3] == [catalog.category_name(number) for number in catalog.category[1:].tolist()]
    assert catalog.category[1:].tolist() == again.category[1:4].tolist()


@st.composite
def streams(draw: st.DrawFn) -> list[ItemChange]:
    """Give changes as the door lets them in: what is not there can be put, but not patched."""
    random = Random(draw(st.integers(0, 2**32 - 1)))
    there = {"a", "b"}
    changes = []
    for _ in range(draw(st.integers(0, 12))):
        item_id = random.choice("abcdef")
        op = random.choice(["put", "patch", "delete"] if item_id in there else ["put", "delete"])
        said = {
            "price": random.choice([0.0, 1.5]), "title": random.choice(["", "T"]),
            "status": random.choice(["available", "gone"]), "categories": random.choice([(), ("x",), ("y", "x")]),
        }  # fmt: skip
        some = {name: value for name, value in said.items() if random.random() < 0.5}
        changes.append(ItemChange(item_id=item_id, op=op, received_ms=random.randint(1, 9), **some))
        (there.discard if op == "delete" else there.add)(item_id)
    return changes


@SOME
@given(streams(), st.lists(st.integers(0, 4), max_size=12))
def test_changes_in_pieces_give_the_view_that_all_at_once_give(changes: list[ItemChange], cuts: list[int]) -> None:
    base = build([Item(item_id="a", title="A"), Item(item_id="b")], "v1", {})
    at_once = base.extended(changes, {0: 1})
    in_pieces, start = base, 0
    for size in [*cuts, len(changes)]:
        in_pieces = in_pieces.extended(changes[start : start + size], {0: 1})
        start += size
    assert said(in_pieces) == said(at_once)


@SOME
@given(streams())
def test_a_view_says_of_price_title_and_status_what_the_document_says(changes: list[ItemChange]) -> None:
    documents: dict[str, Item | None] = {}
    changes = [put("a", title="A"), put("b"), *changes]
    for change in changes:
        documents[change.item_id] = changed(documents.get(change.item_id), change)
    view = EMPTY.extended(changes, {})
    for item_id, document in documents.items():
        number = view.number(item_id)
        if document is None:
            assert not view.available[number]
            continue
        assert float(view.price[number]) == document.price
        assert view.title_of(number) == (document.title or item_id)
        assert view.available[number] == (document.status == "available")
        first = document.categories[0] if document.categories else ""
        assert view.category_name(int(view.category[number])) == first


def texts() -> Sequence[str]:
    return ["", "a", "äöü", "漢字" * 50, ""]


def test_an_arena_gives_its_strings_back() -> None:
    arena = Arena.of(texts())
    assert [arena[place] for place in range(len(arena))] == texts()
    assert len(Arena.of([])) == 0
    assert catalogs.EMPTY.ids.start.tolist() == [0]


def test_a_document_is_changed_as_its_stream_says() -> None:
    item = changed(None, patch("a", title="T"))
    assert item is not None
    assert item == Item(item_id="a", title="T", published_ms=item.published_ms)
    assert changed(item, patch("a", price=2.0)) == msgspec.structs.replace(item, price=2.0)
    assert changed(item, put("a", price=2.0)) == Item(item_id="a", price=2.0, published_ms=item.published_ms)
    assert changed(item, delete("a")) is None


@pytest.mark.parametrize("count", [0, 1, 1_000])
def test_every_id_is_found_under_its_number(count: int) -> None:
    catalog = build([Item(item_id=f"item-{n}") for n in range(count)], "v", {})
    found = catalog.numbers(hashes([f"item-{n}" for n in range(count)]))
    assert found.tolist() == list(range(1, count + 1))
