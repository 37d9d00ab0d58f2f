"""Is an expression true for exactly the items that it means, also for those that came or changed since?"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_expression import expressions

from foryou.domain import catalog as catalogs
from foryou.domain.catalog import Catalog
from foryou.domain.clock import DAY_MS
from foryou.domain.expression import Both, Compare, Either, Expression, Has, Not, attribute_of, parse
from foryou.domain.item import Item, ItemChange
from foryou.domain.matches import matches

NOW_MS = 100 * DAY_MS
STOCK = [
    Item(item_id="saw", categories=("Tools", "Garden"), brand="Acme", price=9.99, tags=("Sharp", "steel"),
         attributes={"color": "red", "shoe size": "42"}, published_ms=90 * DAY_MS),
    Item(item_id="cup", categories=("Kitchen",), brand="Blau", price=4.0, published_ms=99 * DAY_MS + 5),
    Item(item_id="pot", categories=("Kitchen", "Sale"), price=19.9, tags=("steel",), attributes={"color": "blue"}),
    Item(item_id="odd"),
]  # fmt: skip


def stock() -> Catalog:
    """Give the things, two of which came after the view was mapped: `new`, and `cup` with other words."""
    changes = [
        ItemChange(item_id="new", op="put", received_ms=NOW_MS, categories=("Toys", "Sale"), brand="Zeta", price=1.0),
        ItemChange(item_id="cup", op="patch", tags=("fragile",), price=5.0),
    ]
    return catalogs.build(STOCK, "stock", {}).extended(changes, {})


def meant(text: str) -> list[str]:
    catalog = stock()
    item = np.arange(1, len(catalog) + 1, dtype=np.int32)[None, :]
    found = matches(parse(text), catalog, item, np.array([NOW_MS], np.int64))
    assert (found.shape, found.dtype) == (item.shape, np.bool_)
    return [catalog.id_of(number) for number in item[found].tolist()]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ('category = "Kitchen"', ["cup", "pot"]),
        ('category in ("Garden", "Sale")', ["saw", "pot", "new"]),
        ('category != "Sale"', ["saw", "cup", "odd"]),
        ('category = "kitchen"', []),
        ('category = "Nothing"', []),
        ('brand = "Acme"', ["saw"]),
        ('brand in ("Acme", "Zeta", "None")', ["saw", "new"]),
        ('brand = ""', []),
        ('tag = "steel"', ["saw", "pot"]),
        ('tag = "STEEL" or tag = "sharp"', ["saw", "pot"]),
        ('tag = "fragile"', ["cup"]),
        ('attributes.color = "red"', ["saw"]),
        ('attributes.color in ("red", "Blue")', ["saw", "pot"]),
        ('attributes."shoe size" = "42"', ["saw"]),
        ('attributes.color != "red"', ["cup", "pot", "odd", "new"]),
        ('item_id in ("odd", "new", "gone")', ["odd", "new"]),
        ("price = 9.99", ["saw"]),
        ("price < 9.99", ["cup", "odd", "new"]),
        ("price <= 9.99 and price > 1", ["saw", "cup"]),
        ("price >= 5 and price != 19.9", ["saw", "cup"]),
        ("age_days < 1", ["cup", "new"]),
        ("age_days <= 10", ["saw", "cup", "new"]),
        ("age_days > 3", ["saw"]),
        ("not age_days > 3", ["cup", "pot", "odd", "new"]),
        ('published = "1970-04-10"', ["cup"]),
        ('published >= "1970-04-01"', ["saw", "cup", "new"]),
        ('published < "1970-04-02"', ["saw"]),
        ('category in ("Tools","Kitchen") and price < 20 and not tag = "steel"', ["cup"]),
        ('category = "Toys" or brand = "Acme" and price > 100', ["new"]),
        ('(category = "Toys" or brand = "Acme") and price > 1', ["saw"]),
    ],
)
def test_an_expression_is_true_for_the_items_that_it_means(text: str, ids: list[str]) -> None:
    assert meant(text) == ids


def test_each_query_has_a_time_of_its_own() -> None:
    catalog = stock()
    item = np.full((2, 1), catalog.number("saw"), np.int32)
    now_ms = np.array([91, 120], np.int64) * DAY_MS
    assert matches(parse("age_days < 10"), catalog, item, now_ms).tolist() == [[True], [False]]


def test_an_empty_catalog_and_nobody_are_meant_by_nothing() -> None:
    item = np.zeros((1, 3), np.int32)
    for text in ('category = "A"', 'tag = "a"', 'brand = "A"', "age_days > 0", 'item_id = "a"'):
        assert not matches(parse(text), catalogs.EMPTY, item, np.array([NOW_MS], np.int64)).any()


def slow(expression: Expression, item: Item, now_ms: int) -> bool:
    """Say whether an expression is true of one item."""
    match expression:
        case Has(field, values):
            if name := attribute_of(field):
                return item.attributes.get(name, "\0").lower() in [value.lower() for value in values]
            held = {"category": item.categories, "brand": (item.brand,) if item.brand else (),
                    "tag": [tag.lower() for tag in item.tags], "item_id": (item.item_id,)}[field]  # fmt: skip
            return any((value.lower() if field == "tag" else value) in held for value in values)
        case Compare(measure, sign, value):
            if measure == "age_days" and not item.published_ms:
                return False
            own = item.price if measure == "price" else (now_ms - item.published_ms) / DAY_MS
            return {"=": own == value, "<": own < value, "<=": own <= value, ">": own > value, ">=": own >= value}[sign]
        case Not(part):
            return not slow(part, item, now_ms)
        case Both(parts):
            return all(slow(part, item, now_ms) for part in parts)
        case Either(parts):
            return any(slow(part, item, now_ms) for part in parts)


names = st.text("abC", max_size=2)
things = st.builds(
    Item, item_id=st.just(""), categories=st.lists(names.filter(bool), max_size=3, unique=True).map(tuple), brand=names,
    tags=st.lists(names.filter(bool), max_size=3, unique=True).map(tuple),
    price=st.integers(0, 40).map(lambda n: n / 4), attributes=st.dictionaries(st.just("size"), names, max_size=1),
    published_ms=st.integers(0, 3).map(lambda n: n * DAY_MS),
)  # fmt: skip
few = st.builds(Has, st.sampled_from(["category", "tag", "brand", "item_id", "attributes.size"]),
                st.lists(names, min_size=1, max_size=3, unique=True).map(tuple))  # fmt: skip


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    expressions | few | st.builds(Both, st.tuples(few, expressions)) | st.builds(Either, st.tuples(few, few)),
    st.lists(things, min_size=1, max_size=5),
)
def test_an_expression_is_true_where_its_slow_version_is(expression: Expression, items: list[Item]) -> None:
    named = [Item(**{**_fields(item), "item_id": f"i{n}"}) for n, item in enumerate(items)]
    catalog = catalogs.build(named, "things", {})
    numbers = np.arange(1, len(named) + 1, dtype=np.int32)[None, :]
    found = matches(expression, catalog, numbers, np.array([5 * DAY_MS], np.int64))
    assert found[0].tolist() == [slow(expression, item, 5 * DAY_MS) for item in named]


def _fields(item: Item) -> dict[str, object]:
    return {name: getattr(item, name) for name in item.__struct_fields__}
