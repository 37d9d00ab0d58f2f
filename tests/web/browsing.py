"""What is a page in a browser to a test? The page itself, and what happened on it that should not."""

from dataclasses import dataclass, field

from playwright.sync_api import Browser, BrowserContext, Page, expect

ADMIN_KEY = "a key of the tests, long enough"
PATIENCE_MS = 60_000  # on a busy machine
PHONE, DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 860}


@dataclass
class Seen:
    """A page in the browser, and what happened on it that should not."""

    page: Page
    url: str
    asked: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def faults(self) -> list[str]:
        """Give what went wrong; that something was not found (an icon, an unknown user) is no fault of the page."""
        return [one for one in self.wrong if "404" not in one]

    def go(self, path: str = "/") -> Page:
        """Open a page and wait until it shows what it has to show."""
        self.page.goto(f"{self.url}{path}")
        self.page.wait_for_selector("#models table" if path == "/console" else "#feed:not([hidden]) .card")
        return self.page

    def be(self, user: str) -> Page:
        """Be somebody from the start."""
        self.page.goto(f"{self.url}/web/icon.svg")
        self.page.evaluate("user => localStorage.setItem('user', user)", user)
        return self.go()

    def shown(self, within: str = "main") -> list[str]:
        """Give the ids of the cards, in order."""
        found = self.page.locator(f"{within} .card")
        return [str(one) for one in found.evaluate_all("cards => cards.map(card => card.dataset.item)")]


def opened(browser: Browser, url: str, **how: object) -> tuple[BrowserContext, Seen]:
    context = browser.new_context(**{"viewport": DESK, "locale": "en-GB", "reduced_motion": "reduce"} | how)
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    page = context.new_page()
    seen = Seen(page, url)
    page.on("request", lambda request: seen.asked.append(request.url))
    page.on("pageerror", lambda error: seen.wrong.append(str(error)))
    page.on("console", lambda said: seen.wrong.append(said.text) if said.type == "error" else None)
    return context, seen
