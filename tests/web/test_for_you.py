"""Does the page For You do what a visitor expects of it, also by keyboard and on a phone?"""

import re
import uuid

import pytest
from browsing import DESK, PHONE, Seen, opened
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.xdist_group("browser")  # one server and one browser for all of them


def newcomer() -> str:
    return f"visitor-{uuid.uuid4().hex[:8]}"


def titles(page: Page) -> list[str]:
    return page.locator("#rows h2").all_inner_texts()


def test_nobody_sees_rows_with_titles_and_a_feed(seen: Seen) -> None:
    page = seen.go()
    assert titles(page)[0] == "Picked for you"
    assert "Trending now" in titles(page)
    assert page.locator("#cards .card").count() == 24
    for part in ("#rows", "#feed"):
        assert len(seen.shown(part)) == len(set(seen.shown(part)))
    assert not set(seen.shown("#rows .row:first-child")) & set(seen.shown("#feed"))
    assert page.locator(".card .reason").first.inner_text()


def test_the_feed_goes_on_until_everything_was_shown_once(seen: Seen) -> None:
    page = seen.go()
    page.evaluate("document.querySelector('#more').scrollIntoView()")
    expect(page.locator("#cards .card")).to_have_count(48)
    page.mouse.wheel(0, 9_000)
    expect(page.locator("#end")).to_be_visible()
    shown = seen.shown("#rows .row:first-child") + seen.shown("#feed")
    assert len(shown) == len(set(shown)) == 60


def test_who_watched_war_sees_why_and_a_row_about_it(seen: Seen) -> None:
    page = seen.be("ann")
    assert any(title.startswith("Because you watched War") for title in titles(page))
    assert not {"war-1", "war-2", "war-3"} & set(seen.shown())
    assert page.locator("#who").inner_text() == "ann"


def test_a_newcomer_is_welcomed_and_the_page_follows_the_answers(seen: Seen) -> None:
    page = seen.go()
    page.get_by_role("button", name="Who are you?").click()
    page.get_by_role("button", name="I am new here").click()
    welcome = page.locator("#welcome")
    expect(welcome).to_be_visible()
    welcome.get_by_role("button", name="space", exact=True).click()
    expect(welcome.get_by_role("button", name="space", exact=True)).to_have_attribute("aria-pressed", "true")
    like = welcome.get_by_role("button", name=re.compile("^Like Space")).first
    if like.count():
        like.click()
    welcome.get_by_role("button", name="Show me my page").click()
    expect(welcome).to_be_hidden()
    expect(page.locator("#rows .row").first.locator(".card").first).to_have_attribute("data-item", re.compile("space"))


def test_a_like_changes_the_page_at_once(seen: Seen) -> None:
    page = seen.be(newcomer())
    page.locator("#welcome").get_by_role("button", name="Not now").click()
    liked = page.locator('.card[data-item^="love-"]').first
    name = liked.get_attribute("data-item")
    liked.locator(".like").click()
    expect(page.locator("#said")).to_contain_text("You like Love")
    row = page.locator('section[data-kind="because"]')
    expect(row.locator("h2")).to_contain_text("Because you liked Love")
    assert name not in seen.shown()
    assert seen.shown('section[data-kind="because"]')[0].startswith("love")


def test_what_is_not_for_me_goes_and_does_not_come_again(seen: Seen) -> None:
    user = newcomer()
    page = seen.be(user)
    card = page.locator("#rows .card").first
    name = str(card.get_attribute("data-item"))
    card.get_by_role("button", name="Not for me").click()
    expect(page.locator(f'main .card[data-item="{name}"]')).to_have_count(0)
    seen.be(user)
    assert name not in seen.shown()


def test_nobody_is_asked_who_they_are_before_they_like_something(seen: Seen) -> None:
    page = seen.go()
    page.locator(".card .like").first.click()
    expect(page.get_by_role("dialog", name="Who are you?")).to_be_visible()


def test_an_item_shows_what_goes_with_it_and_why_it_is_there(seen: Seen) -> None:
    page = seen.be("ann")
    page.locator('#rows .card[data-item^="war-"] .open').first.click()
    sheet = page.get_by_role("dialog")
    expect(sheet.get_by_role("heading", name=re.compile("War"))).to_be_visible()
    expect(sheet.get_by_text("war · price 5")).to_be_visible()
    expect(sheet.locator(".card").first).to_have_attribute("data-item", re.compile("war"))
    sheet.get_by_role("button", name="Why this, or why not?").click()
    expect(sheet.locator(".steps li")).to_have_count(4)
    expect(sheet.locator(".steps")).to_contain_text("found by")
    expect(sheet.get_by_text(re.compile("Shown: rank|Not shown: rank"))).to_be_visible()


def test_an_item_that_one_has_had_says_that_this_is_why_it_does_not_come(seen: Seen) -> None:
    page = seen.be("ann")
    page.locator("#query").fill("War 5")
    page.keyboard.press("Enter")
    page.locator("#found .card .open").first.click()
    page.get_by_role("dialog").locator(".main").click()  # a like, so that it is known
    page.get_by_role("dialog").get_by_role("button", name="Why this, or why not?").click()
    expect(page.get_by_role("dialog").locator(".steps")).to_contain_text("Rules")


def test_a_search_finds_and_leads_back(seen: Seen) -> None:
    page = seen.go()
    page.get_by_role("searchbox", name="Search").fill("space")
    page.keyboard.press("Enter")
    expect(page.locator("#found-title")).to_contain_text("matches for “space”")
    expect(page.locator("#found-title")).to_be_focused()
    assert all(one.startswith("space") for one in seen.shown("#found"))
    assert not page.locator("#rows").is_visible()
    page.get_by_role("button", name="Back to your page").click()
    expect(page.locator("#rows")).to_be_visible()
    page.get_by_role("searchbox", name="Search").fill("xylophone")
    page.keyboard.press("Enter")
    expect(page.locator("#found-title")).to_contain_text("Nothing is called “xylophone”")


def test_everything_can_be_done_by_keyboard(seen: Seen) -> None:
    page = seen.be("ann")
    page.locator("body").focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the recommendations")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("Tab")
    first = page.locator("#rows .card .open").first
    for _ in range(3):  # a strip that scrolls may take the focus first
        if first.evaluate("one => one === document.activeElement"):
            break
        page.keyboard.press("Tab")
    expect(first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(first).to_be_focused()


@pytest.mark.parametrize("path", ["/", "/console"])
def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Browser, server: str, path: str) -> None:
    context, seen = opened(browser, server, viewport=PHONE, has_touch=True)
    page = seen.go(path)
    width = page.evaluate("document.documentElement.scrollWidth")
    context.close()
    assert width == PHONE["width"] != DESK["width"]
    assert seen.faults() == []


def test_a_clicks_recommendation_is_told_with_its_place(seen: Seen) -> None:
    page = seen.be(newcomer())
    with page.expect_request(lambda request: request.url.endswith("/v1/events")) as told:
        page.locator("#cards .card .open").nth(2).click()
    event = told.value.post_data_json
    assert (event["action"], event["position"]) == ("click", 2)
    assert len(event["recommendation_id"]) == 32


def test_an_item_shows_the_picture_of_its_variant_and_a_click_gives_the_variant_back(seen: Seen) -> None:
    page = seen.be(newcomer())
    card = page.locator('.card[data-item="crime-1"]').first
    expect(card.locator("img")).to_have_attribute("src", "/web/icon.svg")
    assert page.locator(".card img").count() == page.locator('.card[data-item="crime-1"]').count()
    with page.expect_request(lambda request: request.url.endswith("/v1/events")) as told:
        card.locator(".open").click()
    assert re.fullmatch(r"badge\.[0-9a-f]{4}", told.value.post_data_json["context"]["variant"])
