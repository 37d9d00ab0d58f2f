"""Does the API keep what its OpenAPI document says? What that allows is answered, what it forbids is refused."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from litestar import Litestar
from schemathesis.checks import CheckFunction
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from shop import Shop

from foryou.api.rest import ROUTES
from foryou.api.rest.openapi import document
from foryou.observe.metrics import Metrics

pytestmark = pytest.mark.hypothesis  # the long form is part of `make soak`
SCHEMA = schemathesis.openapi.from_dict(document(Litestar(ROUTES, openapi_config=None).routes))
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]
ASKING = [one for one in OPERATIONS if one.body or one.query or one.path_parameters]  # the others have one form only
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
# Why the server may refuse what the document allows: a JSON schema cannot say these.
UNSAYABLE = re.compile(
    r"is \d+ bytes, limit 128|"  # bytes, where JSON counts characters
    r"expected `int( \| null)?`, got `float`|"  # 57.0 is an integer to JSON Schema
    r"placement .* is not configured|"  # placements are a matter of the configuration
    r"is outside [\d.e+]+\.\.[\d.e+]+ for (rating|dwell|purchase)|a (rating|dwell) without a value|"
    r"a search without text|cannot become|limit 16 keys of 256 characters|"  # what an action needs
    r"was not made here, or was changed on its way|"  # a cursor is signed
    r"is liked, too|"  # and disliked
    r"is empty; send an id|"  # an item that the action is about
    r"^at character \d+: |"  # the language of filters
    r"is not after (start_ms|the start)|"
    r"the shares sum to|is said twice|is no name of an arm|is not measured|"  # experiments
    r"there is none of that name|all are 0|Expected `|Invalid enum value|Object contains unknown field"
)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, metrics: Metrics) -> Iterator[Shop]:
    """Give a shop of its own: what is sent to it would disturb the tests of the others."""
    with Shop(tmp_path_factory.mktemp("asked"), metrics) as opened:
        yield opened


def sent(shop: Shop, case: schemathesis.Case) -> httpx.Response:
    said = case.as_transport_kwargs(base_url="http://testserver.local")
    known = ("method", "url", "headers", "params", "json", "data", "cookies", "files")
    ready = requests.Request(**{name: value for name, value in said.items() if name in known}).prepare()
    answer: httpx.Response = shop.client.request(
        ready.method, ready.url, headers=dict(ready.headers), content=ready.body
    )
    return answer


def holds(shop: Shop, case: schemathesis.Case) -> None:
    """Send a case and check the answer against the document."""
    answer = sent(shop, case)
    assert answer.status_code < 500, answer.text
    unchecked: list[CheckFunction] = []
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        problem: dict[str, Any] = answer.json()
        assert problem["detail"]
        parts = [part["detail"] for part in problem["errors"]]
        if answer.status_code == 400 and parts and all(UNSAYABLE.search(detail) for detail in parts):
            unchecked.append(positive_data_acceptance)
    elif answer.status_code == 202 and isinstance(case.body, list):
        judged = answer.json()
        assert judged["accepted"] + judged["duplicates"] + len(judged["rejected"]) == len(case.body)
        if judged["rejected"]:  # each event of an array is refused on its own
            unchecked.append(negative_data_rejection)
    case.validate_response(answer, excluded_checks=unchecked)


@SCHEMA.parametrize()
@settings(phases=[Phase.explicit])
def test_at_the_bounds_of_the_document_the_api_does_what_it_says(case: schemathesis.Case, asked: Shop) -> None:
    holds(asked, case)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.label)
def test_anywhere_within_and_beyond_the_document_the_api_does_what_it_says(
    operation: APIOperation, asked: Shop, cases: int
) -> None:
    @settings(max_examples=-(-cases // len(ASKING)), suppress_health_check=list(HealthCheck))
    @given(case=st.one_of([operation.as_strategy(mode) for mode in MODES]))
    def probe(case: schemathesis.Case) -> None:
        holds(asked, case)

    probe()
