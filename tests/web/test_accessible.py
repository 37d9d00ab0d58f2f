"""Can everybody read the pages? axe-core finds nothing serious on them, in light and dark."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import DESK, PHONE, Seen, opened
from playwright.sync_api import Browser, expect

pytestmark = pytest.mark.xdist_group("browser")  # one server and one browser for all of them
GRAVE = {"serious", "critical"}
SEEN = [
    pytest.param(DESK, "dark", id="desk-dark"),
    pytest.param(PHONE, "light", id="phone-light"),
    pytest.param(DESK, "light", id="desk-light", marks=pytest.mark.long),
    pytest.param(PHONE, "dark", id="phone-dark", marks=pytest.mark.long),
]


def grave(seen: Seen) -> list[str]:
    """Give what axe finds serious or critical on the page as it is now."""
    found = Axe().run(seen.page).response["violations"]
    return [f"{one['id']}: {one['help']}: {[node['html'][:120] for node in one['nodes'][:3]]}"
            for one in found if one["impact"] in GRAVE]  # fmt: skip


@pytest.mark.parametrize(("size", "scheme"), SEEN)
def test_the_page_for_you_has_no_serious_fault(
    browser: Browser, server: str, scheme: str, size: dict[str, int], pictures: Path | None
) -> None:
    context, seen = opened(browser, server, viewport=size, color_scheme=scheme)
    page = seen.be("bea")
    found = {"rows": grave(seen)}
    name = f"{scheme}-{size['width']}"
    if pictures:
        page.screenshot(path=pictures / f"foryou-{name}.png")
    page.locator("#rows .card .open").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Why this, or why not?").click()
    expect(page.locator(".steps li")).to_have_count(4)
    expect(page.get_by_role("dialog").locator(".strip")).to_be_visible()
    found["item"] = grave(seen)
    if pictures:
        page.screenshot(path=pictures / f"item-{name}.png")
    page.keyboard.press("Escape")
    page.locator("#who").click()
    found["users"] = grave(seen)
    page.get_by_role("button", name="I am new here").click()
    expect(page.locator("#welcome")).to_be_visible()
    found["welcome"] = grave(seen)
    if pictures:
        page.screenshot(path=pictures / f"welcome-{name}.png")
    page.get_by_role("searchbox", name="Search").fill("crime")
    page.keyboard.press("Enter")
    expect(page.locator("#found")).to_be_visible()
    found["search"] = grave(seen)
    context.close()
    assert {where: faults for where, faults in found.items() if faults} == {}
    assert seen.faults() == []


@pytest.mark.parametrize(("size", "scheme"), SEEN)
def test_the_console_has_no_serious_fault(
    browser: Browser, server: str, scheme: str, size: dict[str, int], pictures: Path | None
) -> None:
    context, seen = opened(browser, server, viewport=size, color_scheme=scheme)
    page = seen.go("/console")
    page.get_by_label("User").fill("ann")
    page.get_by_label("Item").fill("war-5")
    page.get_by_role("button", name="Look").click()
    expect(page.locator("#looked").get_by_role("heading", name="Item war-5")).to_be_visible()
    expect(page.locator("#state")).to_contain_text("live")
    found = grave(seen)
    if pictures:
        page.screenshot(path=pictures / f"console-{scheme}-{size['width']}.png", full_page=True)
    context.close()
    assert found == []
    assert seen.faults() == []


@pytest.mark.parametrize("path", ["/docs"])
def test_the_page_of_the_api_has_no_serious_fault(browser: Browser, server: str, path: str) -> None:
    context, seen = opened(browser, server)
    seen.page.goto(f"{server}{path}")
    found = grave(seen)
    context.close()
    assert found == []
