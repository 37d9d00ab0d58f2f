"""Can operators steer a rollout from the console, and nobody without the key?"""

import pytest
from browsing import ADMIN_KEY, Seen
from playwright.sync_api import expect

pytestmark = pytest.mark.xdist_group("browser")  # one server and one browser for all of them


def test_a_bundle_is_rolled_out_taken_on_and_back_with_buttons(seen: Seen) -> None:
    page = seen.go("/console")
    panel = page.locator("#rollout")
    expect(panel).to_contain_text("Nothing was rolled out by steps yet")
    page.get_by_role("button", name="Roll out v2").click()
    expect(page.locator("#said")).to_contain_text("wants the admin key")
    page.get_by_label("Admin key").fill("a wrong key, wrong altogether")
    page.get_by_role("button", name="Roll out v2").click()
    expect(page.locator("#said")).to_contain_text("The key is missing or wrong")
    page.get_by_label("Admin key").fill(ADMIN_KEY)
    page.get_by_role("button", name="Roll out v2").click()
    expect(panel).to_contain_text("v2 in place of v1")
    expect(panel.locator("[aria-current=step]")).to_contain_text("shadow")
    panel.get_by_role("button", name="Next step").click()
    expect(panel.locator("[aria-current=step]")).to_contain_text("10 %")
    expect(page.locator("#models")).to_contain_text("v2 10 %, v1 90 %")
    panel.get_by_role("button", name="Pause").click()
    expect(panel).to_contain_text("paused")
    panel.get_by_role("button", name="Go on").click()
    expect(panel).to_contain_text("to go")
    panel.get_by_role("button", name="Take back").click()
    expect(panel).to_contain_text("taken back: from the console")
    expect(page.locator("#models")).to_contain_text("v1 100 %")
    seen.wrong[:] = [one for one in seen.wrong if "401" not in one]


def test_the_report_of_a_bundle_is_a_link_away(seen: Seen) -> None:
    page = seen.go("/console")
    row = page.locator("#models tr", has_text="v2")
    with page.context.expect_page() as opened:
        row.get_by_role("link", name="report").click()
    expect(opened.value.locator("h1")).to_have_text("How v2 was judged")
