"""Is every filter read as it is meant, and every wrong one refused with the place and the mend?"""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foryou.domain.errors import Invalid
from foryou.domain.expression import (
    MAX_CHARS,
    MAX_DEPTH,
    MAX_VALUES,
    Both,
    Compare,
    Either,
    Expression,
    Has,
    Not,
    parse,
)

MANY = settings(max_examples=500, deadline=None, derandomize=True, database=None)

MEANT = [
    ('category in ("Drama","Crime") and price < 20 and not tag = "violence"',
     Both((Has("category", ("Drama", "Crime")), Compare("price", "<", 20.0), Not(Has("tag", ("violence",)))))),
    ("category = 'Drama' or brand = 'Acme' and price >= 9.50",
     Either((Has("category", ("Drama",)), Both((Has("brand", ("Acme",)), Compare("price", ">=", 9.5)))))),
    ("(category = 'Drama' or brand = 'Acme') and price >= 9.50",
     Both((Either((Has("category", ("Drama",)), Has("brand", ("Acme",)))), Compare("price", ">=", 9.5)))),
    ('attributes.color = "red"', Has("attributes.color", ("red",))),
    ('attributes."shoe size" in ("42")', Has('attributes."shoe size"', ("42",))),
    ("age_days <= 14", Compare("age_days", "<=", 14.0)),
    ('published >= "1970-01-03"', Compare("published", ">=", 172_800_000.0)),
    ("tag not in ('a', 'b', 'a')", Not(Has("tag", ("a", "b")))),
    ("tag != 'a'", Not(Has("tag", ("a",)))),
    ("price != -1", Not(Compare("price", "=", -1.0))),
    ("NOT price == 3 AND tag IN ('x')", Both((Not(Compare("price", "=", 3.0)), Has("tag", ("x",))))),
    (r'''item_id = "a \"b\" \\c" ''', Has("item_id", ('a "b" \\c',))),
    ("((price=1))", Compare("price", "=", 1.0)),
    ("brand='it''s'", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "meant"), [pair for pair in MEANT if pair[1]])
def test_an_expression_means_what_it_says(text: str, meant: Expression) -> None:
    assert parse(text) == meant


WRONG = [
    ("", "at character 1: a field is expected, not the end; there are category, brand, tag, item_id, price, "
         "age_days, published and attributes.NAME"),
    ("price <", "at character 8: a number is expected, not the end; write price < 20, without quotes"),
    ("price < '20'", "at character 9: a number is expected, not `'20'`"),
    ("price < 20 tag = 'x'", "at character 12: `and`, `or` or the end is expected; join two conditions with"),
    ("colour = 'red'", "at character 1: `colour` is not a field; there are category, brand"),
    ("attributes. = 'red'", "at character 1: `attributes.` is not a field"),
    ("category = Drama", 'at character 12: a text in quotes is expected, not `Drama`; write category = "…"'),
    ("category < 'Drama'", "at character 10: `=`, `!=` or `in` is expected after `category`"),
    ("category in 'Drama'", "at character 13: `(` is expected, not `'Drama'`; close what was opened"),
    ("category in ('Drama'", "at character 21: `)` is expected, not the end"),
    ("category in ()", "at character 14: a text in quotes is expected, not `)`"),
    ("category not = 'x'", "at character 14: `in` is expected after `category not`"),
    ("(price = 1", "at character 11: `)` is expected, not the end"),
    ("price ~ 1", "at character 7: `~` cannot stand here; texts stand in quotes"),
    ("price = 12abc", "at character 9: `1` cannot stand here"),
    ("price in (1)", "at character 7: a comparison is expected after `price`; use one of = != < <= > >="),
    ("price = 9999999999999", "at character 9: `9999999999999` is too large; write a number from -1e+12 to 1e+12"),
    ("tag = 'open", "at character 7: a text is not closed; end it with the quote that it began with"),
    ("tag = 'a' and", "at character 14: a field is expected, not the end"),
    ("and tag = 'a'", "at character 1: a field is expected, not `and`"),
    ("published > 2024", "at character 13: a date in quotes is expected, not `2024`"),
    ("published > '31.12.2024'", "at character 13: `'31.12.2024'` is not a date; write it as published >= \"2024-"),
    ("brand='it''s'", "at character 11: `and`, `or` or the end is expected"),
    ("not " * (MAX_DEPTH + 1) + "price = 1", f"more than {MAX_DEPTH} levels of `not` and parentheses; say it"),
    ("(" * 500 + "price = 1", f"at character {MAX_DEPTH + 1}: more than {MAX_DEPTH} levels"),
    (f"tag in ({', '.join(['1'] * 2)})", "at character 9: a text in quotes is expected, not `1`"),
    (f"tag in ({', '.join(repr(str(n)) for n in range(MAX_VALUES + 1))})", f"more than {MAX_VALUES} values; say it"),
    ("x" * (MAX_CHARS + 1), f"has {MAX_CHARS + 1} characters, limit 2,000; say it in several shorter ones"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_named_with_its_place_and_the_mend(text: str, said: str) -> None:
    with pytest.raises(Invalid, match=re.escape(said)) as caught:
        parse(text)
    assert caught.value.where == "filter"
    assert caught.value.mend


def test_the_field_that_held_the_expression_is_named() -> None:
    with pytest.raises(Invalid, match=r"^placements\.home\.filter: at character 1: `x` is not a field"):
        parse("x = 1", "placements.home.filter")


def test_as_deep_as_allowed_is_read() -> None:
    assert parse("not " * (MAX_DEPTH - 1) + "price = 1")
    assert parse("(" * (MAX_DEPTH - 1) + "price = 1" + ")" * (MAX_DEPTH - 1)) == Compare("price", "=", 1.0)


words = st.sampled_from([
    "category", "brand", "tag", "price", "age_days", "published", "attributes.x", 'attributes."a b"', "item_id", "and",
    "or", "not", "in", "(", ")", ",", "=", "!=", "<", ">=", '"a"', "'b'", "12", "-3.5", "'2024-02-30'", "'", "\\", "é",
])  # fmt: skip


def read(text: str) -> Expression | Invalid:
    """Give what a text says, or the error that it is refused with; any other error is a failure."""
    try:
        return parse(text)
    except Invalid as error:
        return error


@MANY
@given(st.text(max_size=60) | st.lists(words, max_size=14).map(" ".join) | st.lists(words, max_size=14).map("".join))
def test_any_text_is_either_read_or_refused_with_a_place(text: str) -> None:
    found = read(text)
    if isinstance(found, Invalid):
        place = re.match(r"at character (\d+): ", found.what)
        assert place
        assert 1 <= int(place[1]) <= len(text) + 1


texts = st.text(max_size=8)
leaves = (
    st.builds(Has, st.sampled_from(["category", "tag", "brand", "item_id", "attributes.size"]),
              st.lists(texts, min_size=1, max_size=3, unique=True).map(tuple))
    | st.builds(Compare, st.sampled_from(["price", "age_days"]), st.sampled_from(["=", "<", "<=", ">", ">="]),
                st.integers(-10_000, 10_000).map(lambda n: n / 4))
)  # fmt: skip
expressions = st.recursive(
    leaves,
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(Both, st.lists(inner, min_size=2, max_size=3).map(tuple))
        | st.builds(Either, st.lists(inner, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=6,
)


def written(expression: Expression) -> str:
    """Give the text of an expression, with a parenthesis around every part."""
    match expression:
        case Has(field, values):
            quoted = ", ".join('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values)
            return f"{field} in ({quoted})"
        case Compare(measure, sign, value):
            return f"{measure} {sign} {value}"
        case Not(part):
            return f"not ({written(part)})"
        case Both(parts):
            return " and ".join(f"({written(part)})" for part in parts)
        case Either(parts):
            return " or ".join(f"({written(part)})" for part in parts)


@MANY
@given(expressions)
def test_an_expression_that_is_written_down_is_read_back(expression: Expression) -> None:
    found = read(written(expression))
    assert found == expression or (
        isinstance(found, Invalid) and ("levels" in found.what or "characters" in found.what)
    )
