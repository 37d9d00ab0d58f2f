"""How does a reason become a sentence? Its code is looked up in the table of the language that was asked for."""

from collections.abc import Sequence

from foryou.domain.event import Action
from foryou.domain.slate import Reason
from foryou.serve.languages import LANGUAGES

USUAL = "en"
_MOST = 8  # languages of a header that are looked at
_DEEDS = (
    Action.PURCHASE, Action.RATING, Action.LIKE, Action.CLICK, Action.DWELL, Action.ADD_TO_CART, Action.VIEW,
    "disliked",
)  # fmt: skip


class Words:
    """The sentences of reasons. usual: the language where none that is known was asked for; viewed: a view's verb."""

    def __init__(self, usual: str = USUAL, viewed: str = "viewed") -> None:
        self._usual, self._viewed = LANGUAGES[usual], viewed

    def say(self, language: str, case: str, because: Sequence[str] = (), **places: str) -> Reason:
        """Give the reason of this case; its code is what stands before the point."""
        text = LANGUAGES.get(language, self._usual)[case].format_map(places)
        return Reason(case.partition(".")[0], text, tuple(because))

    def history(self, language: str, because: Sequence[str], deeds: Sequence[tuple[str, str]]) -> Reason:
        """Give the reason that names what the user did: pairs of an action (or `disliked`) and a title, one or two."""
        table = LANGUAGES.get(language, self._usual)
        (first, title), *more = deeds
        if more and more[0][0] == first:
            title, more = table["history.and"].format(one=title, other=more[0][1]), []
        said = self._deed(table, first, title)
        for action, other in more:
            said = table["history.and"].format(one=said, other=self._deed(table, action, other))
        return self.say(language, "history", because, deeds=said)

    def _deed(self, table: dict[str, str], action: str, title: str) -> str:
        case = action if action in _DEEDS else "other"
        return table[f"history.{self._viewed if case == Action.VIEW else case}"].format(items=title)


def known_language(wanted: str) -> str:
    """Give the first language that is known of a tag (`de-AT`) or of a list of them as HTTP has it; "" = none.

    `fr;q=0.5, de` is German: the larger q first, of equals the earlier one. What cannot be read counts nothing.
    """
    ranked = []
    for place, part in enumerate(wanted.split(",")[:_MOST]):
        tag, _, weight = part.partition(";")
        name = tag.strip().partition("-")[0].lower()
        if name in LANGUAGES:
            ranked.append((-_quality(weight), place, name))
    ranked.sort()
    return ranked[0][2] if ranked and ranked[0][0] < 0 else ""


def _quality(weight: str) -> float:
    name, _, value = weight.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return said if 0 <= (said := float(value)) <= 1 else 0.0
    except ValueError:
        return 0.0
