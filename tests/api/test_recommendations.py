"""Are questions answered as the API says: recommendations, similar items, trends, explanations?"""

from typing import Any

import pytest
from shop import Shop

BY_POPULARITY = ["rake", "lamp", "cup", "teapot", "arrakis", "dune"]


def answer_without_names(answer: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in answer.items() if name not in ("recommendation_id", "took_ms", "next_cursor")
    }


def test_who_bought_one_book_is_recommended_the_one_that_goes_with_it_and_told_why(standing: Shop) -> None:
    answer = standing.ask(user_id="ann", num_results=3)
    first = answer["items"][0]
    assert [item["item_id"] for item in answer["items"]] == ["arrakis", "rake", "lamp"]
    assert [item["rank"] for item in answer["items"]] == [1, 2, 3]
    assert first["reason"] == {"code": "history", "text": "Because you bought Dune", "because": ["dune"]}
    assert (first["title"], first["sponsored"]) == ("Arrakis", False)
    assert (answer["model_version"], answer["degraded"]) == ("known", [])
    assert answer["experiment"] == {"name": "main", "arm": "known"}


def test_the_short_form_and_the_long_form_give_the_same_answer(standing: Shop) -> None:
    short = standing.client.get(
        "/v1/recommendations?user_id=ann&context=home&num_results=2&session_id=s&exclude=rake,lamp&explain=true"
        "&personalize=true&deadline_ms=50000"
    )
    long = standing.ask(
        user_id="ann", context={"placement": "home"}, num_results=2, session_id="s",
        exclude_item_ids=["rake", "lamp"], explain=True, personalize=True, deadline_ms=50_000,
    )  # fmt: skip
    assert [item["item_id"] for item in long["items"]] == ["arrakis", "cup"]
    assert answer_without_names(short.json()) == answer_without_names(long)


def test_the_path_without_version_is_the_same_route(standing: Shop) -> None:
    plain = standing.client.get("/recommendations?user_id=nobody&context=home&num_results=4").json()
    versioned = standing.client.get("/v1/recommendations?user_id=nobody&context=home&num_results=4").json()
    assert [item["item_id"] for item in plain["items"]] == BY_POPULARITY[:4]
    assert answer_without_names(plain) == answer_without_names(versioned)


def test_an_unknown_user_gets_what_is_popular_and_the_answer_says_so(standing: Shop) -> None:
    answer = standing.ask(user_id="a stranger", num_results=6)
    assert [item["item_id"] for item in answer["items"]] == BY_POPULARITY
    assert answer["degraded"] == ["unknown_user"]


def test_the_anonymous_id_stands_in_where_there_is_no_user_id(standing: Shop) -> None:
    assert standing.shown(anonymous_id="ann", num_results=1) == ["arrakis"]


def test_without_personalisation_a_known_user_is_shown_what_everybody_is(standing: Shop) -> None:
    assert standing.shown(user_id="ann", personalize=False, num_results=2) == ["rake", "lamp"]


def test_without_explanation_the_reason_says_nothing(standing: Shop) -> None:
    answer = standing.client.get("/v1/recommendations?user_id=x&explain=false&num_results=1").json()
    assert answer["items"][0]["reason"] == {"code": "unexplained", "text": "", "because": []}


def test_an_item_page_shows_what_goes_with_its_item(standing: Shop) -> None:
    answer = standing.client.get("/v1/recommendations?item_id=teapot&num_results=2").json()
    assert [item["item_id"] for item in answer["items"]] == ["cup", "lamp"]


def test_similar_items_are_those_with_the_strongest_links(standing: Shop) -> None:
    answer = standing.client.get("/v1/items/teapot/similar?num_results=2").json()
    assert [item["item_id"] for item in answer["items"]] == ["cup", "lamp"]
    assert answer["items"][0]["reason"] == {"code": "similar", "text": "Goes with Teapot", "because": ["teapot"]}


def test_similar_items_leave_out_what_the_user_has(standing: Shop) -> None:
    standing.tell({"user_id": "bob", "action": "purchase", "item_id": "cup"})
    answer = standing.client.get("/v1/items/teapot/similar?user_id=bob&num_results=1").json()
    assert [item["item_id"] for item in answer["items"]] == ["lamp"]


def test_similar_items_of_an_unknown_item_are_popular_ones_and_the_answer_says_so(shop: Shop) -> None:
    for name in ("nothing", "a%2Fb", "%F0%9F%98%80", "caf%C3%A9", "%zz", "..;", "a%20b"):
        answer = shop.client.get(f"/v1/items/{name}/similar?num_results=3")
        assert answer.status_code == 200
        assert [item["item_id"] for item in answer.json()["items"]] == BY_POPULARITY[:3]
        assert "unknown_item" in answer.json()["degraded"]


def test_what_is_bought_most_today_trends(shop: Shop) -> None:
    assert shop.client.get("/v1/trending").json() == {"items": []}
    shop.tell(*({"user_id": f"u{n}", "action": "purchase", "item_id": "lamp"} for n in range(3)))
    shop.tell({"user_id": "u9", "action": "purchase", "item_id": "cup"})
    trending = shop.client.get("/v1/trending?num_results=20").json()["items"]
    assert [(item["item_id"], item["rank"]) for item in trending] == [("lamp", 1), ("cup", 2)]
    assert trending[0]["reason"] == {"code": "trending", "text": "Trending now", "because": []}
    assert len(shop.client.get("/v1/trending?num_results=1").json()["items"]) == 1


def test_the_fate_of_each_item_is_explained(standing: Shop) -> None:

    def why(item_id: str) -> dict[str, Any]:
        said: dict[str, Any] = standing.client.post(
            "/v1/explain", json={"user_id": "ann", "item_id": item_id, "num_results": 1}
        ).json()
        return said

    best = why("arrakis")
    assert (best["outcome"], best["rank"], best["text"]) == ("shown", 1, "Shown: rank 1 of 1 by score.")
    assert best["reason"]["because"] == ["dune"]
    assert "item_to_item" in best["proposed_by"]
    assert best["parts"]["item_to_item"] > 0.4
    assert why("rake")["outcome"] == "outranked"
    assert why("rake")["rank"] == 2
    assert (why("dune")["outcome"], why("dune")["dropped_by"]) == ("dropped", "seen")
    assert why("nothing")["outcome"] == "unknown_item"


def test_an_answer_without_personal_context_may_be_shared_and_a_personal_one_may_not(standing: Shop) -> None:
    def caching(path: str) -> str:
        return str(standing.client.get(path).headers["cache-control"])

    assert caching("/recommendations") == "public, max-age=60"
    assert caching("/recommendations?user_id=u&personalize=false") == "public, max-age=60"
    assert caching("/v1/items/cup/similar") == "public, max-age=60"
    assert caching("/v1/trending") == "public, max-age=60"
    assert caching("/recommendations?user_id=u") == "private, no-store"
    assert caching("/recommendations?anonymous_id=u") == "private, no-store"
    assert caching("/recommendations?session_id=u") == "private, no-store"
    assert caching("/v1/items/cup/similar?user_id=u") == "private, no-store"
    assert standing.client.post("/v1/recommendations", json={}).headers["cache-control"] == "public, max-age=60"


def test_an_empty_catalog_gives_an_empty_answer(empty_shop: Shop) -> None:
    for path in ("/recommendations", "/recommendations?user_id=u&item_id=x", "/v1/items/x/similar"):
        answer = empty_shop.client.get(path)
        assert (answer.status_code, answer.json()["items"]) == (200, [])
        assert "short_answer" in answer.json()["degraded"]
    assert empty_shop.client.get("/v1/trending").json() == {"items": []}
    why = empty_shop.client.post("/v1/explain", json={"user_id": "u", "item_id": "x"}).json()
    assert why["outcome"] == "unknown_item"


def test_a_world_of_one_user_and_one_item_is_served(empty_shop: Shop) -> None:
    empty_shop.client.put("/v1/items/only", json={"title": "The only one"})
    empty_shop.tell({"user_id": "someone", "action": "view", "item_id": "only"})
    assert empty_shop.shown(user_id="someone") == []  # seen already
    assert empty_shop.shown(user_id="another") == ["only"]  # it trends


@pytest.mark.parametrize(
    ("query", "pointer", "detail"),
    [
        ("num_results=0", "/num_results", "expected `int` >= 1, got '0'"),
        ("num_results=501", "/num_results", "expected `int` <= 500, got '501'"),
        ("num_results=-9999999999999999999999", "/num_results", "expected `int` >= 1"),
        ("num_results=many", "/num_results", "expected `int | null`, got `str`"),
        ("num_results=", "/num_results", "expected `int | null`, got `str`"),
        ("explain=perhaps", "/explain", "expected `bool`, got `str`"),
        ("deadline_ms=0", "/deadline_ms", "expected `int` >= 1"),
        ("context=moon", "/context", "placement 'moon' is not configured; use one of home, item"),
        ("context=", "/context", "placement '' is not configured"),
        ("exclude=a,b%00", "/exclude", "has a control character"),
        ("exclude=" + "a," * 1_001, "/exclude", "expected `array` of length <= 1000, got ['a',"),
        ("user_id=" + "é" * 65, "/user_id", "is 130 bytes, limit 128; send a shorter id"),
        ("user_id=" + "x" * 129, "/user_id", "expected `str` of length <= 128"),
        ("user_id=a%00b", "/user_id", "has a control character"),
        ("anonymous_id=%0a", "/anonymous_id", "has a control character"),
        ("session_id=%7f", "/session_id", "has a control character"),
        ("item_id=%1f", "/item_id", "has a control character"),
        ("user_id=a&user_id=b", "/user_id", "is said twice; say it once"),
        ("userid=a", "/userid", "is not a parameter; this route takes user_id, anonymous_id, context"),
        ("user_id=%ff", "/query", "is not valid UTF-8; percent-encode the bytes of each value in UTF-8"),
        ("a/b~c=1", "/a~1b~0c", "is not a parameter"),
    ],
)
def test_a_bad_parameter_is_named(standing: Shop, query: str, pointer: str, detail: str) -> None:
    answer = standing.client.get(f"/v1/recommendations?{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    [part] = answer.json()["errors"]
    assert part["pointer"] == pointer
    assert detail in part["detail"]
    assert answer.json()["detail"] == f"{pointer[1:]}: {part['detail']}"


def test_a_percent_sign_that_encodes_nothing_is_taken_as_it_stands(standing: Shop) -> None:
    answer = standing.client.get("/v1/recommendations?user_id=%zz&num_results=1")
    assert (answer.status_code, answer.json()["degraded"]) == (200, ["unknown_user"])


def test_routes_that_take_fewer_parameters_say_which(standing: Shop) -> None:
    similar = standing.client.get("/v1/items/cup/similar?context=home").json()["errors"][0]
    assert similar["detail"] == "is not a parameter; this route takes user_id, num_results, language"
    trending = standing.client.get("/v1/trending?user_id=u").json()["errors"][0]
    assert trending["detail"] == "is not a parameter; this route takes num_results, language"
    posted = standing.client.post("/v1/recommendations?num_results=3", json={}).json()["errors"][0]
    assert posted["detail"] == "is not a parameter; this route takes none"


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ({"num_results": 0}, "/num_results", "expected `int` >= 1, got 0"),
        ({"num_results": 10**40}, "/num_results", "expected `int` <= 500, got 1000"),
        ({"num_results": 2.5}, "/num_results", "expected `int | null`, got `float`"),
        ({"num_results": "3"}, "/num_results", "expected `int | null`, got `str`"),
        ({"user_id": None}, "/user_id", "expected `str`, got `null`"),
        ({"user_id": 7}, "/user_id", "expected `str`, got `int`"),
        ({"user_id": "x" * 200}, "/user_id", "expected `str` of length <= 128, got 'xxxx"),
        ({"user_id": "é" * 65}, "/user_id", "is 130 bytes, limit 128"),
        ({"user_id": "a\x00"}, "/user_id", "has a control character; send printable characters"),
        ({"item_id": "\x1b"}, "/item_id", "has a control character"),
        ({"context": "home"}, "/context", "expected `object`, got `str`"),
        ({"context": {"placement": 3}}, "/context/placement", "expected `str`, got `int`"),
        ({"context": {"place": "home"}}, "/context/place", "is not a field"),
        ({"exclude_item_ids": ["a", ""]}, "/exclude_item_ids/1", "expected `str` of length >= 1, got ''"),
        ({"exclude_item_ids": ["a", "b\n"]}, "/exclude_item_ids/1", "has a control character"),
        ({"usr_id": "a"}, "/usr_id", "is not a field; there are user_id, anonymous_id, session_id"),
        ([], "", "expected `object`, got `array`"),
        (7, "", "expected `object`, got `int`"),
    ],
)
def test_a_bad_field_is_named(standing: Shop, body: object, pointer: str, detail: str) -> None:
    answer = standing.client.post("/v1/recommendations", json=body)
    assert answer.status_code == 400
    [part] = answer.json()["errors"]
    assert part["pointer"] == pointer
    assert detail in part["detail"]


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ({"user_id": "u"}, "/item_id", "is missing; send it"),
        ({"user_id": "", "item_id": "x"}, "/user_id", "expected `str` of length >= 1, got ''"),
        ({"user_id": "u", "item_id": "é" * 65}, "/item_id", "is 130 bytes, limit 128"),
        ({"user_id": "\t", "item_id": "x"}, "/user_id", "has a control character"),
    ],
)
def test_a_question_why_needs_a_user_and_an_item(standing: Shop, body: object, pointer: str, detail: str) -> None:
    answer = standing.client.post("/v1/explain", json=body)
    [part] = answer.json()["errors"]
    assert (answer.status_code, part["pointer"]) == (400, pointer)
    assert detail in part["detail"]


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("%ff", "is not valid UTF-8; percent-encode the bytes of the id in UTF-8"),
        ("%00", "has a control character; send printable characters"),
        ("x" * 129, "is 129 bytes, limit 128; send a shorter id"),
    ],
)
def test_an_id_in_a_path_that_no_item_can_have_is_refused(standing: Shop, name: str, detail: str) -> None:
    answer = standing.client.get(f"/v1/items/{name}/similar")
    assert (answer.status_code, answer.json()["detail"]) == (400, f"item_id: {detail}")


@pytest.mark.parametrize(
    ("header", "parameter", "text"),
    [
        ("", "", "Because you bought Dune"), ("de-AT,de;q=0.9", "", "Weil du Dune gekauft hast"),
        ("de", "fr", "Parce que vous avez acheté Dune"), ("de", "xx", "Weil du Dune gekauft hast"),
        ("xx", "", "Because you bought Dune"),
    ],
)  # fmt: skip
def test_reasons_are_given_in_the_language_that_is_asked_for(
    standing: Shop, header: str, parameter: str, text: str
) -> None:
    headers = {"accept-language": header}
    said = {"user_id": "ann", "language": parameter} if parameter else {"user_id": "ann"}
    short = standing.client.get("/v1/recommendations", params=said, headers=headers)
    long = standing.client.post("/v1/recommendations", json=said, headers=headers)
    for answer in (short, long):
        assert answer.json()["items"][0]["reason"] == {"code": "history", "text": text, "because": ["dune"]}
        assert answer.headers["vary"] == "accept-language"


def test_similar_items_trends_and_verdicts_are_worded_too(standing: Shop) -> None:
    german = {"accept-language": "de"}
    similar = standing.client.get("/v1/items/teapot/similar", headers=german).json()
    assert similar["items"][0]["reason"]["text"] == "Passt zu Teapot"
    trending = standing.client.get("/v1/trending", params={"language": "es"}).json()
    assert {item["reason"]["text"] for item in trending["items"]} == {"Tendencia ahora"}
    why = {"user_id": "ann", "item_id": "arrakis", "language": "fr"}
    told = standing.client.post("/v1/explain", json=why).json()
    assert told["reason"]["text"] == "Parce que vous avez acheté Dune"
