"""Are events taken in as the API says: one or many, each judged on its own, none counted twice?"""

import json
from typing import Any

import pytest
from shop import Shop

BUY = {"action": "purchase", "item_id": "dune"}
VIEW = {"user_id": "viv", "action": "view", "item_id": "cup"}


def history_of(standing: Shop, user_id: str) -> dict[str, Any]:
    standing.settle()
    said: dict[str, Any] = standing.client.get(f"/v1/users/{user_id}").json()
    return said


def test_one_event_is_accepted_and_changes_the_next_answer(standing: Shop) -> None:
    assert standing.shown(user_id="amy", num_results=1) == ["rake"]
    answer = standing.client.post("/v1/events", json=BUY | {"user_id": "amy", "event_id": "amy-buys"})
    assert answer.status_code == 202
    assert answer.json() == {"accepted": 1, "duplicates": 0, "rejected": [], "event_ids": ["amy-buys"]}
    standing.settle()
    assert standing.shown(user_id="amy", num_results=1) == ["arrakis"]


def test_an_event_without_an_id_is_given_one(standing: Shop) -> None:
    event_ids = standing.client.post("/v1/events", json=[VIEW, VIEW]).json()["event_ids"]
    assert len(set(event_ids)) == 2
    assert all(event_ids)


def test_an_event_sent_again_is_a_duplicate_and_counts_once(standing: Shop) -> None:
    for _ in range(3):
        last = standing.client.post("/v1/events", json=BUY | {"user_id": "rob", "event_id": "rob-buys"})
    assert last.status_code == 202
    assert last.json() == {"accepted": 0, "duplicates": 1, "rejected": [], "event_ids": ["rob-buys"]}
    assert history_of(standing, "rob")["actions"] == 1


def test_two_purchases_of_one_item_are_two_events(standing: Shop) -> None:
    bought = BUY | {"user_id": "tom"}
    standing.tell(bought | {"event_id": "tom-1"}, bought | {"event_id": "tom-2"})
    assert history_of(standing, "tom")["actions"] == 2


def test_the_good_events_of_an_array_go_in_and_the_bad_ones_are_named(standing: Shop) -> None:
    answer = standing.client.post("/v1/events", json=[
        VIEW | {"user_id": "eve", "event_id": "good-1"},
        {"user_id": "eve", "action": "rating", "item_id": "cup"},
        {"user_id": "eve"},
        17,
        VIEW | {"position": 10**30},
        VIEW | {"colour": "red"},
        VIEW | {"context": {"page": 1}},
        VIEW | {"user_id": "eve", "event_id": "good-2"},
    ])  # fmt: skip
    assert answer.status_code == 202
    said = answer.json()
    assert (said["accepted"], said["event_ids"]) == (2, ["good-1", "good-2"])
    assert [(one["index"], one["pointer"], one["code"]) for one in said["rejected"]] == [
        (1, "/value", "invalid_value"),
        (2, "/action", "invalid_action"),
        (3, "", "invalid_event"),
        (4, "/position", "invalid_position"),
        (5, "/colour", "invalid_colour"),
        (6, "/context", "invalid_context"),
    ]
    assert said["rejected"][0]["detail"] == "a rating without a value; send a number from 0.5 to 5"
    assert said["rejected"][1]["detail"] == "is missing; send it"
    assert said["rejected"][3]["detail"].startswith("expected `int` <= 1000000, got 10000")
    assert history_of(standing, "eve")["actions"] == 2


def test_an_array_of_nothing_but_bad_events_is_answered_with_each_of_them(standing: Shop) -> None:
    answer = standing.client.post("/v1/events", json=[{}, None])
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 0
    assert [one["index"] for one in answer.json()["rejected"]] == [0, 1]


def test_an_empty_array_is_no_error(standing: Shop) -> None:
    answer = standing.client.post("/v1/events", content=b" \n[ ]")
    assert (answer.status_code, answer.json()["accepted"]) == (202, 0)


def test_a_thousand_events_go_in_at_once_and_one_more_does_not(standing: Shop) -> None:
    events = [VIEW | {"event_id": f"thousand-{n}"} for n in range(1_001)]
    refused = standing.client.post("/v1/events", json=events)
    assert refused.status_code == 400
    assert refused.json()["detail"] == "body: 1,001 events, limit 1,000; send them in several requests"
    assert standing.client.post("/v1/events", json=events[:-1]).json()["accepted"] == 1_000


def test_an_event_from_the_far_future_happened_now(standing: Shop) -> None:
    standing.tell(VIEW | {"user_id": "fay", "at_ms": standing.home.clock.now_ms() + 3_600_000})
    assert history_of(standing, "fay")["last_ms"] <= standing.home.clock.now_ms()


@pytest.mark.parametrize("name", ["üñí", "日本", "🦊", "a/b", "a b", "x" * 128, "'; drop table--"])
def test_any_printable_id_is_an_id(standing: Shop, name: str) -> None:
    answer = standing.client.post("/v1/events", json={"user_id": name, "action": "view", "item_id": name})
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ('{"action": "view", "item_id": "x"}', "/user_id", "is missing; send it"),
        ('{"user_id": "u", "item_id": "x"}', "/action", "is missing; send it"),
        ('{"user_id": "u", "action": "peek", "item_id": "x"}', "/action", "'peek' is not known; use one of impression"),
        ('{"user_id": "u", "action": 3, "item_id": "x"}', "/action", "expected `str`, got `int`"),
        ('{"user_id": "u", "action": "view"}', "/item_id", "is empty; send an id of 1 to 128 bytes"),
        ('{"user_id": "", "action": "view", "item_id": "x"}', "/user_id", "is empty"),
        ('{"user_id": "u", "action": "view", "item_id": "x\\u0000"}', "/item_id", "has a control character"),
        ('{"user_id": "\\ud800", "action": "view", "item_id": "x"}', "/user_id", "is not valid Unicode; send UTF-8"),
        ('{"user_id": "u", "action": "view", "item_id": "\\udc00x"}', "/item_id", "is not valid Unicode; send UTF-8"),
        ('{"user_id": "u", "action": "view", "x\\ud800": 1}', "", "has a name that is not valid Unicode"),
        ('{"user_id": "u", "action": "rating", "item_id": "x", "value": NaN}', "/value", "nan is not JSON"),
        ('{"user_id": "u", "action": "rating", "item_id": "x", "value": -Infinity}', "/value", "-inf is not JSON"),
        ('{"user_id": "u", "action": "rating", "item_id": "x", "value": 1e999}', "/value", "number out of range"),
        ('{"user_id": "u", "action": "rating", "item_id": "x", "value": 9}', "/value", "9.0 is outside 0.5..5"),
        ('{"user_id": "u", "action": "rating", "item_id": "x", "value": "4"}', "/value", "expected `float | null`"),
        ('{"user_id": "u", "action": "view", "item_id": "x", "at_ms": -1}', "/at_ms", "-1 is before 1970"),
        ('{"user_id": "u", "action": "view", "item_id": "x", "at_ms": 1.5}', "/at_ms", "expected `int`, got `float`"),
        (
            '{"user_id": "u", "action": "view", "item_id": "x", "at_ms": 1' + "0" * 40 + "}",
            "/at_ms",
            "expected `int` <=",
        ),
        ('{"user_id": "u", "action": "view", "item_id": "x", "at_ms": 1' + "0" * 9_000 + "}", "/at_ms", "out of range"),
        ('{"user_id": "u", "action": "view", "item_id": "x", "quantity": 0}', "/quantity", "0 is outside 1..1,000,000"),
        ('{"user_id": "u", "action": "view", "item_id": "x", "quantity": 1e99}', "/quantity", "expected `int`"),
        ('{"user_id": "u", "action": "view", "item_id": "x", "position": -2}', "/position", "expected `int` >= -1"),
        ('{"user_id": "u", "action": "alias"}', "/query", "user 'u' cannot become ''"),
        ('{"user_id": "u", "action": "search"}', "/query", "a search without text"),
    ],
)
def test_one_bad_event_is_a_problem_that_names_its_field(standing: Shop, body: str, pointer: str, detail: str) -> None:
    answer = standing.client.post("/v1/events", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    [part] = answer.json()["errors"]
    assert part["pointer"] == pointer
    assert detail in part["detail"]


def test_bytes_that_are_not_utf8_spoil_their_own_event_only(standing: Shop) -> None:
    good = json.dumps(VIEW).encode()
    body = b"[" + good + b', {"user_id": "\xff", "action": "view", "item_id": "x"}]'
    said = standing.client.post("/v1/events", content=body).json()
    assert said["accepted"] == 1
    assert (said["rejected"][0]["index"], said["rejected"][0]["pointer"]) == (1, "/user_id")


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        (b'[{"user_id": "u", "action": "view", "item_id": NaN}]', "/0/item_id", "nan is not JSON; send a number"),
        (b'[1, {"user_id": "\\ud83d"}]', "/1/user_id", "is not valid Unicode"),
        (b'[{"user_id": "u"', "", "is not valid JSON (Input data was truncated); send a JSON document in UTF-8"),
        (b'[{"user_id": 01}]', "", "is not valid JSON (JSON is malformed: invalid number"),
        (b"[" * 10_000, "", "is nested too deeply; send JSON with fewer levels"),
        (b"[" * 10_000 + b"]" * 10_000, "", "is nested too deeply"),
    ],
)
def test_an_array_that_is_not_json_is_refused_as_a_whole(
    standing: Shop, body: bytes, pointer: str, detail: str
) -> None:
    answer = standing.client.post("/v1/events", content=body)
    [part] = answer.json()["errors"]
    assert (answer.status_code, part["pointer"]) == (400, pointer)
    assert detail in part["detail"]
