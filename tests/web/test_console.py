"""Does the console show what operators need?"""

import re

import pytest
from browsing import Seen
from playwright.sync_api import expect

pytestmark = pytest.mark.xdist_group("browser")  # one server and one browser for all of them


def test_the_console_shows_rate_latency_freshness_and_models(seen: Seen) -> None:
    page = seen.go("/console")
    names = page.locator("#tiles dt").all_inner_texts()
    assert names == [
        "Requests", "Latency p50", "Latency p99", "Errors", "Freshness p99", "Cache hits", "Events", "Cold coverage",
        "Age of the bundle",
    ]  # fmt: skip
    expect(page.locator("#models")).to_contain_text(re.compile("Release [1-9]"))
    expect(page.locator("#models")).to_contain_text("v1 100 %")
    expect(page.locator("#models")).to_contain_text("over 60 items")
    expect(page.locator("#experiments")).to_contain_text("No experiments")


def test_an_experiment_shows_its_arms_and_what_came_of_them(seen: Seen) -> None:
    page = seen.go("/console")
    arms = [{"name": "as before", "share": 0.75}, {"name": "trends", "share": 0.25, "sources": {"popular": 200}}]
    made = page.evaluate(
        """async (body) => (await fetch("/v1/experiments/shelf", {
            method: "PUT", headers: {"content-type": "application/json"}, body: JSON.stringify(body)})).status""",
        {"arms": arms, "start_ms": 4_000_000_000_000},  # nobody else shall be dealt
    )
    assert made == 200
    page.reload()
    panel = page.locator("#experiments")
    expect(panel).to_contain_text("shelf: planned, as before 75 %, trends 25 %")
    panel.locator("summary").click()
    expect(panel.get_by_role("row")).to_have_count(3)


def test_requests_show_up_while_one_looks(seen: Seen) -> None:
    page = seen.go("/console")
    expect(page.locator("#state")).to_contain_text("live")
    page.evaluate("for (let n = 0; n < 40; n++) fetch(`/v1/trending?num_results=${n + 1}`)")
    row = page.locator("#routes tr", has_text="GET /v1/trending")
    expect(row.locator("td").nth(1)).to_have_text(re.compile(r"[1-9]"))
    expect(page.locator("#rate svg")).to_have_attribute("aria-label", re.compile("now .* a second"))
    expect(page.locator("#data")).to_contain_text("events accepted")


def test_the_inspector_shows_a_user_an_item_and_why_the_one_gets_the_other_or_not(seen: Seen) -> None:
    page = seen.go("/console")
    page.get_by_label("User").fill("ann")
    page.get_by_label("Item").fill("war-1")
    page.get_by_role("button", name="Look").click()
    looked = page.locator("#looked")
    expect(looked.get_by_text("Not shown: the rule 'seen' dropped it.")).to_be_visible()
    expect(looked.get_by_role("heading", name="User ann")).to_be_visible()
    expect(looked.get_by_role("heading", name="Item war-1")).to_be_visible()
    expect(looked).to_contain_text("Goes with War 1")


def test_the_inspector_says_what_it_does_not_know(seen: Seen) -> None:
    page = seen.go("/console")
    page.get_by_label("User").fill("never heard of")
    page.get_by_role("button", name="Look").click()
    expect(page.locator("#said")).to_contain_text("Nothing is known of user")
    expect(page.locator("#looked")).to_contain_text("What never heard of is shown")
