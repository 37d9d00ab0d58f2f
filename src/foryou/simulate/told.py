"""How does the collector of events hear of it? What visitors do, as the events and exposures that a shop would send."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from foryou.domain.event import Action, Event
from foryou.simulate.goods import item_id
from foryou.simulate.market import Market, Visits
from foryou.simulate.people import user_id
from foryou.simulate.shopping import LINK, PAGE_MS, Page, Response
from foryou.simulate.words import CATEGORIES, DEVICES, REGIONS, WORDS

READ_MS = 1_500  # until the next place of a list is looked at
CURRENCY = "EUR"


@dataclass(frozen=True, slots=True)
class Teller:
    """Puts what happened into words; event ids are made of the seed and of what they are about."""

    market: Market

    def context(self, visits: Visits, row: int) -> dict[str, str]:
        """Give the context of a visit as its events carry it."""
        said = {"device": DEVICES[visits.device[row]], "location": REGIONS[visits.region[row]]}
        return said | ({"category": CATEGORIES[visits.intent[row]]} if visits.named[row] else {})

    def query(self, visits: Visits, row: int) -> str:
        """Give the text that the visitor searches for, "" = none."""
        topic, intent = int(visits.topic[row]), int(visits.intent[row])
        if topic < 0:
            return ""
        words, number = WORDS[intent][topic], int(visits.number[row])
        return f"{words[number % len(words)]} {words[(number // 5 + 1) % len(words)]}"

    def session(self, visits: Visits, row: int) -> str:
        """Give the id of the visit."""
        return f"visit-{self.market.seed}-{int(visits.number[row])}"

    def recommendation(self, page: Page, row: int) -> str:
        """Give the id of a list of the history; a server gives its own."""
        return f"list-{self.market.seed}-{int(page.visits.number[row])}-{int(page.number[row])}"

    def searches(self, visits: Visits) -> Iterator[Event]:
        """Give the searches with which visits begin."""
        for row in np.flatnonzero(visits.topic >= 0).tolist():
            said = self._common(visits, row) | {"query": self.query(visits, row)}
            yield self._event("ask", Action.SEARCH, int(visits.at_ms[row]) - 5_000, said)

    def actions(self, page: Page, response: Response, names: list[str] | None = None) -> Iterator[Event]:
        """Give the events of one list per visit, or of the links that led them in.

        `names` are the recommendation ids that a server gave, else the ids are those of the history.
        """
        rows, places = np.nonzero(response.clicked | response.hidden)
        for row, place in zip(rows.tolist(), places.tolist(), strict=True):
            said = self._common(page.visits, row) | {"item_id": item_id(int(page.item[row, place]))}
            if page.number[row] != LINK:
                name = names[row] if names else self.recommendation(page, row)
                said |= {"recommendation_id": name, "position": place}
            at_ms = int(page.at_ms[row]) + READ_MS * (place + 1)
            tag = f"{int(page.number[row])}-{place}"
            if response.hidden[row, place]:
                yield self._event(tag, Action.HIDE, at_ms, said)
            else:
                yield from self._clicked(response, (row, place), at_ms, (tag, said))

    def _clicked(
        self, response: Response, at: tuple[int, int], at_ms: int, common: tuple[str, dict[str, object]]
    ) -> Iterator[Event]:
        tag, said = common
        yield self._event(tag, Action.CLICK if "recommendation_id" in said else Action.VIEW, at_ms, said)
        stay_s = float(response.dwell_s[at])
        at_ms += int(1_000 * min(stay_s, PAGE_MS / 2_000))
        yield self._event(tag, Action.DWELL, at_ms, said | {"value": round(min(stay_s, 3_600.0), 1), "unit": "s"})
        for action, happened in (
            (Action.LIKE, response.liked), (Action.DISLIKE, response.disliked), (Action.ADD_TO_CART, response.carted),
        ):  # fmt: skip
            if happened[at]:
                yield self._event(tag, action, at_ms + 500, said)
        if response.bought[at]:
            price = round(float(self.market.goods.price[int(str(said["item_id"])[5:]) - 1]), 2)
            yield self._event(tag, Action.PURCHASE, at_ms + 1_000, said | {"value": price, "unit": CURRENCY})
        if response.stars[at]:
            stars = float(response.stars[at])
            yield self._event(tag, Action.RATING, at_ms + 1_500, said | {"value": stars, "unit": "stars"})

    def _common(self, visits: Visits, row: int) -> dict[str, object]:
        return {
            "user_id": user_id(int(visits.user[row])), "session_id": self.session(visits, row),
            "context": self.context(visits, row),
        }  # fmt: skip

    def _event(self, tag: str, action: Action, at_ms: int, said: dict[str, object]) -> Event:
        name = f"{said['session_id']}-{tag}-{action.value}"
        return Event(event_id=name, action=action, at_ms=at_ms, received_ms=at_ms, **said)  # type: ignore[arg-type]
