"""Is an item found by what people would call it, and does a term say of which kind it is?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foryou.domain import catalog as catalogs
from foryou.domain.item import Item, ItemChange
from foryou.domain.terms import MOST_WORDS, WORDS, Kind, kinds, named, price_band, searched, term, terms_of, words
from tries import tries

SHOE = Item(
    item_id="s", title="Red running shoe", categories=("Sports wear", "Shoes"), text="light and red", price=50.0,
    brand="Fleet", tags=("summer", "summer"), attributes={"size": "42"},
)  # fmt: skip


def terms_in(item: Item) -> set[int]:
    return set(catalogs.build([item], "v", {}).terms.of(1).tolist())


@given(kind=st.sampled_from(Kind), text=st.text())
@tries(100)
def test_a_term_is_a_32_bit_number_that_tells_its_kind(kind: Kind, text: str) -> None:
    found = term(kind, text)
    assert 0 <= found < 2**32
    assert kinds(np.array([found], np.uint32)).tolist() == [kind]
    assert found == term(kind, f"  {text.strip()} ")


def test_a_term_is_the_same_in_every_release() -> None:
    assert (term(Kind.TITLE, "shoe"), term(Kind.TAG, "Shoe")) == (3250038856, 3250038860)


def test_words_are_lower_case_distinct_and_few() -> None:
    assert words("The Red, the 2nd RED - a été") == ["the", "red", "2nd", "été"]
    assert len(words(" ".join(f"w{n}" for n in range(200)))) == WORDS
    assert words("") == words("a b !") == []


def test_an_item_has_terms_of_every_field() -> None:
    wanted = {
        *(term(Kind.TITLE, word) for word in ("red", "running", "shoe")),
        *(term(Kind.TEXT, word) for word in ("light", "and", "red")),
        *(term(Kind.CATEGORY, name) for name in ("sports wear", "shoes")),
        term(Kind.BRAND, "fleet"), term(Kind.TAG, "summer"), term(Kind.ATTRIBUTE, "size=42"),
        term(Kind.PRICE, price_band(50)),
    }  # fmt: skip
    assert terms_in(SHOE) == wanted
    assert not terms_in(Item(item_id="bare"))
    assert not terms_in(Item(item_id="blank", categories=("",), tags=("",)))


@pytest.mark.parametrize("text", ["red", "RUNNING shoes", "sports wear", "Sports Wear", "fleet", "summer", "light"])
def test_a_search_finds_what_is_said_in_any_field(text: str) -> None:
    assert set(searched(text)) & terms_in(SHOE)


@pytest.mark.parametrize("text", ["blue", "42", "sport", ""])
def test_a_search_for_what_is_not_said_finds_nothing(text: str) -> None:
    assert not set(searched(text)) & terms_in(SHOE)


def test_a_long_search_counts_with_its_first_words() -> None:
    said = [f"w{n}" for n in range(40)]
    found = set(searched(" ".join(said)))
    assert [term(Kind.TITLE, word) in found for word in said] == [True] * MOST_WORDS + [False] * (40 - MOST_WORDS)


def test_an_interest_is_a_category_a_brand_or_a_tag() -> None:
    for name in ("Shoes", "fleet", "Summer"):
        assert set(named([name])) & terms_in(SHOE)
    assert not set(named(["red"])) & terms_in(SHOE)


def test_prices_that_are_near_share_a_band() -> None:
    assert price_band(10) == price_band(12) != price_band(20)
    assert terms_of(Kind.PRICE, 0.0) == terms_of(Kind.PRICE, -1.0) == []


def test_a_change_replaces_the_terms_of_the_fields_it_says_and_keeps_the_row_where_nothing_is_new() -> None:
    before = catalogs.build([SHOE], "v", {})
    patched = before.extended([ItemChange(item_id="s", op="patch", title="Blue shoe")], {})
    assert term(Kind.TITLE, "running") not in patched.terms.of(1)
    assert set(terms_in(SHOE)) - set(patched.terms.of(1).tolist()) == {term(Kind.TITLE, w) for w in ("red", "running")}
    assert term(Kind.TITLE, "blue") in patched.terms.of(1)
    for nothing in ({"status": "sold out"}, {"price": 50.5}, {"title": "Shoe, running red"}):
        assert not before.extended([ItemChange(item_id="s", op="patch", **nothing)], {}).terms.changed, nothing
    own = before.extended([ItemChange(item_id="s", op="patch", embedding=(1.0,))], {})
    assert list(own.terms.changed) == [1]
