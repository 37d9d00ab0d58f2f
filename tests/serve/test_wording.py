"""Can a reason be said in every language, and is the right language chosen?"""

import string

import pytest

from foryou.config import Serve
from foryou.domain.event import Action
from foryou.domain.slate import Reason
from foryou.serve.languages import ENGLISH, LANGUAGES
from foryou.serve.wording import Words, known_language


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_code_with_the_same_places(language: str) -> None:
    assert {code: places(text) for code, text in LANGUAGES[language].items()} == {
        code: places(text) for code, text in ENGLISH.items()
    }


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_no_language_is_a_copy_of_english(language: str) -> None:
    assert [code for code in ENGLISH if LANGUAGES[language][code] == ENGLISH[code]] == []


def test_every_language_and_verb_of_the_configuration_has_its_words() -> None:
    hints = Serve.__annotations__
    for language in LANGUAGES:
        assert repr(language) in str(hints["language"])
    for verb in ("viewed", "watched", "read", "heard"):
        assert repr(verb) in str(hints["viewed"])
        assert f"history.{verb}" in ENGLISH


@pytest.mark.parametrize(
    ("wanted", "language"),
    [
        ("de", "de"), ("DE-at", "de"), ("fr-CA,fr;q=0.9,en;q=0.8", "fr"), ("it, es;q=0.4, de;q=0.6", "de"), ("", ""),
        ("en;q=0.2,fr;q=0.2", "en"), ("fr;q=0", ""), ("*", ""), ("de;q=nan", ""), ("de;q=x,fr", "fr"), ("it", ""),
        ("xx,yy,zz,aa,bb,cc,dd,ee,de", ""),
    ],
)  # fmt: skip
def test_the_language_is_the_first_known_one_that_is_wanted_most(wanted: str, language: str) -> None:
    assert known_language(wanted) == language


def test_an_unknown_language_is_answered_in_the_configured_one() -> None:
    assert Words("de").say("xx", "trending") == Reason("trending", "Gerade gefragt")
    assert Words("de").say("en", "trending").text == "Trending now"


@pytest.mark.parametrize(("viewed", "text"), [("watched", "watched"), ("read", "read"), ("heard", "listened to")])
def test_a_view_is_called_as_the_shop_calls_it(viewed: str, text: str) -> None:
    said = Words("en", viewed).history("", ["heat"], [(Action.VIEW, "Heat")])
    assert said == Reason("history", f"Because you {text} Heat", ("heat",))


def test_two_deeds_are_joined_and_a_title_with_braces_stays_as_it_is() -> None:
    words, both = Words(), ["a", "b"]
    assert words.history("", both, [("like", "{A}"), ("like", "B")]).text == "Because you liked {A} and B"
    assert words.history("de", both, [("purchase", "A"), ("disliked", "B")]).text == (
        "Weil du A gekauft hast und B nicht mochtest"
    )


def test_an_action_without_a_verb_of_its_own_is_known() -> None:
    assert Words().history("", ["a"], [(Action.IMPRESSION, "A")]).text == "Because you know A"
