"""Does a cursor bring back what was shown, and nothing else?"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop import Shop

from foryou.api.cursors import LASTS_MS, MAX_ITEMS, Cursors
from foryou.api.schema import CURSOR_CHARS
from foryou.domain.errors import Invalid
from foryou.domain.event import hashes

NOW_MS = 1_700_000_000_000
SCOPE = ("ann", "home", "")
CURSORS = Cursors(b"a secret of these tests")


def made(item_ids: list[str], fed: bytes = b"", cursors: Cursors = CURSORS) -> str:
    cursor = cursors.after(fed, item_ids, SCOPE, NOW_MS)
    assert cursor
    return cursor


@given(first=st.lists(st.text(max_size=20), max_size=50), then=st.lists(st.text(max_size=20), max_size=50))
def test_a_cursor_remembers_all_items_of_the_answers_before(first: list[str], then: list[str]) -> None:
    fed = CURSORS.read(made(first), SCOPE, NOW_MS)
    both = np.frombuffer(CURSORS.read(made(then, fed), SCOPE, NOW_MS), "<u4")
    assert both.tolist() == sorted({int(one) & 0xFFFFFFFF for one in hashes(first + then).tolist()})


@given(place=st.integers(0, 10_000), to=st.sampled_from("ABCXYZabcxyz0189-_"))
def test_a_cursor_with_any_other_sign_is_refused(place: int, to: str) -> None:
    cursor = made([f"item-{n}" for n in range(40)])
    place %= len(cursor) - 1  # the last sign may hold bits that say nothing
    changed = cursor[:place] + to + cursor[place + 1 :]
    if changed != cursor:
        with pytest.raises(Invalid, match="was not made here, or was changed on its way"):
            CURSORS.read(changed, SCOPE, NOW_MS)


@pytest.mark.parametrize("cursor", ["", "x", "é", "====", "A" * 100, "not base64 at all!", "\0"])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid, match="was not made here"):
        CURSORS.read(cursor, SCOPE, NOW_MS)


def test_a_cursor_of_another_secret_is_refused() -> None:
    with pytest.raises(Invalid, match="was not made here"):
        CURSORS.read(made(["a"], cursors=Cursors(b"another")), SCOPE, NOW_MS)


def test_a_cursor_of_another_format_is_refused_though_it_is_signed() -> None:
    said = bytearray(urlsafe_b64decode(made(["a"]) + "==")[16:])
    said[0] = 9
    whole = hmac.digest(b"a secret of these tests", bytes(said), "sha256")[:16] + bytes(said)
    with pytest.raises(Invalid, match="has expired"):
        CURSORS.read(urlsafe_b64encode(whole).decode(), SCOPE, NOW_MS)


def test_a_cursor_expires() -> None:
    cursor = made(["a"])
    CURSORS.read(cursor, SCOPE, NOW_MS + LASTS_MS)
    with pytest.raises(Invalid, match="has expired: it lasts 24 hours"):
        CURSORS.read(cursor, SCOPE, NOW_MS + LASTS_MS + 1_000)


@pytest.mark.parametrize("scope", [("bob", "home", ""), ("ann", "cart", ""), ("ann", "home", "dune")])
def test_a_cursor_is_good_for_one_user_placement_and_item(scope: tuple[str, ...]) -> None:
    with pytest.raises(Invalid, match="belongs to another user, item or placement"):
        CURSORS.read(made(["a"]), scope, NOW_MS)


def test_a_cursor_has_about_four_characters_an_item_and_a_feed_an_end() -> None:
    assert len(made([f"item-{n}" for n in range(1_000)])) < 4_400
    fed = CURSORS.read(made([f"item-{n}" for n in range(MAX_ITEMS)]), SCOPE, NOW_MS)
    assert len(made([], fed)) < CURSOR_CHARS
    assert CURSORS.after(fed, ["one more"], SCOPE, NOW_MS) is None


def test_a_feed_over_http_shows_the_six_things_once_and_then_ends(standing: Shop) -> None:
    found: list[str] = []
    cursor = ""
    while True:
        answer = standing.ask(user_id="a new one", num_results=2, cursor=cursor)
        found += [item["item_id"] for item in answer["items"]]
        if answer["next_cursor"] is None:
            break
        cursor = answer["next_cursor"]
    assert sorted(found) == ["arrakis", "cup", "dune", "lamp", "rake", "teapot"]
    assert answer["items"] == []


def test_the_short_form_takes_a_cursor_and_names_it_where_it_is_wrong(standing: Shop) -> None:
    first = standing.client.get("/v1/recommendations?user_id=eve&num_results=3").json()
    second = standing.client.get(f"/v1/recommendations?user_id=eve&num_results=3&cursor={first['next_cursor']}").json()
    shown = [item["item_id"] for answer in (first, second) for item in answer["items"]]
    assert len(set(shown)) == 6
    wrong = standing.client.get(f"/v1/recommendations?user_id=bob&cursor={first['next_cursor']}")
    assert wrong.status_code == 400
    assert wrong.json()["errors"] == [{
        "pointer": "/cursor", "code": "invalid_cursor",
        "detail": "belongs to another user, item or placement; begin a new feed: leave the cursor out",
    }]  # fmt: skip
