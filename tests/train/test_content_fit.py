"""Do content vectors tell planted topics apart, and does the index hold what is popular, first?"""

import numpy as np
import pytest

from foryou.domain import catalog as catalogs
from foryou.domain.item import Item
from foryou.domain.terms import Kind, term
from foryou.train.content import POSTINGS, ContentSettings, fit

TOPICS = 5


def planted(items: int = 300, noise: int = 3, seed: int = 4) -> tuple[list[Item], np.ndarray]:
    """Give items with words of one of five topics and as many words of nobody, and their topics, nobody's first."""
    random = np.random.default_rng(seed)
    topic = random.integers(0, TOPICS, items)
    return [
        Item(item_id=str(n), title=" ".join([
            *(f"topic{topic[n]}x{k}" for k in random.integers(0, 15, 4)),
            *(f"noise{k}" for k in random.integers(0, 40, noise)),
        ]))
        for n in range(items)
    ], np.concatenate([[-1], topic])  # fmt: skip


def fitted(items: list[Item], popularity: np.ndarray | None = None, **settings: int) -> dict[str, np.ndarray]:
    catalog = catalogs.build(items, "v", {})
    liked = np.ones(len(items) + 1, np.float32) if popularity is None else popularity
    return {name: np.asarray(array) for name, array in fit(catalog, liked, ContentSettings(**settings)).items()}


def test_planted_topics_are_told_apart() -> None:
    items, topic = planted()
    vectors = fitted(items, width=16)["content_vectors"]
    product = vectors[1:] @ vectors[1:].T
    same = topic[1:, None] == topic[None, 1:]
    assert product[same].mean() > 0.3 + product[~same].mean()
    np.fill_diagonal(product, -np.inf)
    nearest = topic[1:][product.argmax(axis=1)]
    assert (nearest == topic[1:]).mean() > 0.9


def test_vectors_have_the_length_1_and_nobody_has_none() -> None:
    vectors = fitted(planted()[0], width=16)["content_vectors"]
    assert vectors.shape == (301, 16)
    np.testing.assert_allclose(np.linalg.norm(vectors[1:], axis=1), 1, atol=1e-5)
    assert not vectors[0].any()


def test_the_directions_are_those_of_a_whole_decomposition() -> None:
    items, _ = planted(60, noise=1)
    arrays = fitted(items, width=6)
    table = np.zeros((60, len(arrays["content_terms"])))
    for n, item in enumerate(items):
        for name in item.title.split():
            table[n, arrays["content_terms"] == term(Kind.TITLE, name)] = arrays["content_idf"][
                arrays["content_terms"] == term(Kind.TITLE, name)
            ]
    table /= np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9)
    _, values, directions = np.linalg.svd(table, full_matrices=False)
    kept = np.linalg.norm(table @ arrays["content_projection"].astype(float))
    assert kept == pytest.approx(np.linalg.norm(values[:6]), rel=5e-3)
    assert np.linalg.norm(directions[:6] @ arrays["content_projection"]) > 0.9 * 6**0.5


def test_a_term_of_one_item_alone_is_left_out_and_the_most_frequent_are_kept() -> None:
    items = [Item(item_id=str(n), title=f"every own{n} {'half' if n % 2 else 'other'} ") for n in range(10)]
    items[0] = Item(item_id="0", title="every own0 other rare")
    items[2] = Item(item_id="2", title="every other rare")
    arrays = fitted(items, width=4)
    assert set(arrays["content_terms"]) == {term(Kind.TITLE, name) for name in ("every", "half", "other", "rare")}
    assert (np.diff(arrays["content_terms"].astype(np.int64)) > 0).all()
    few = fitted(items, width=4, terms=3)
    assert set(few["content_terms"]) == {term(Kind.TITLE, name) for name in ("every", "half", "other")}
    idf = dict(zip(arrays["content_terms"].tolist(), arrays["content_idf"].tolist(), strict=True))
    assert idf[term(Kind.TITLE, "rare")] == pytest.approx(np.log1p(10 / 2), rel=1e-5)


def test_each_term_leads_to_its_most_popular_items() -> None:
    items = [Item(item_id=str(n), title="all" if n % 2 else "all even") for n in range(2 * POSTINGS)]
    liked = np.arange(2 * POSTINGS + 1, dtype=np.float32)
    arrays = fitted(items, liked, width=2)
    start, ids, values = (arrays[f"postings_{part}"] for part in ("start", "ids", "values"))
    place = int(np.flatnonzero(arrays["content_terms"] == term(Kind.TITLE, "all"))[0])
    kept = ids[start[place] : start[place + 1]]
    assert kept.tolist() == list(range(2 * POSTINGS, POSTINGS, -1))
    weight = dict(zip(kept.tolist(), values[start[place] : start[place + 1]].tolist(), strict=True))
    assert weight[2 * POSTINGS] == pytest.approx(1.0)  # an odd one: nothing but this term
    assert weight[2 * POSTINGS - 1] < 0.7


@pytest.mark.parametrize("items", [[], [Item(item_id="a", title="alone")], [Item(item_id="a"), Item(item_id="b")]])
def test_a_catalog_of_nothing_in_common_has_no_terms_and_no_vectors(items: list[Item]) -> None:
    arrays = fitted(items)
    assert not len(arrays["content_terms"])
    assert not arrays["content_vectors"].any()
    assert len(arrays["content_vectors"]) == len(items) + 1
    assert arrays["postings_start"].tolist() == [0]


def test_equal_settings_give_equal_bits() -> None:
    one, two = (fitted(planted()[0], width=16) for _ in range(2))
    assert all(one[name].tobytes() == two[name].tobytes() for name in one)
