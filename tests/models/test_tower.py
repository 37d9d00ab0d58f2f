"""Is the user tower of the serving process that of the training, to within 1e-4?"""

import numpy as np
import pytest
import torch

import oracles_tower
from foryou.domain import catalog as catalogs
from foryou.domain.event import Action, Event
from foryou.domain.item import Item, ItemChange
from foryou.domain.records import NOBODY, Core, Trending
from foryou.domain.slate import QueryBatch, Slate
from foryou.domain.terms import Kind, term
from foryou.features import trending
from foryou.features.fold import fold
from foryou.features.hydrate import assemble_batch
from foryou.models.index import Exact
from foryou.models.tower import Tower, person
from foryou.serve.sources import TwoTower
from foryou.train.two_tower.towers import Asked, Bags, Shape, Towers, initial
from worlds import NOW_MS, did, query

SHAPE = Shape(items=200, terms=7, people=5, vectors=24, width=16, blocks=3, heads=2, wide=2, window=30)

STOCK = catalogs.build([Item(item_id=f"i{n}", categories=(f"c{n % 7}",)) for n in range(SHAPE.items)], "v", {})
LATER = STOCK.extended([ItemChange(item_id="comet", op="put", categories=("c3", "unheard"))], {})
NOTHING = Trending(np.zeros(0, np.int32), np.zeros(0, np.uint64), np.zeros(0, np.int64), {})
ANN = [
    did("ann", "i1", 50), did("ann", "i2", 40, Action.DISLIKE), did("ann", "i4", 30, Action.VIEW),
    did("ann", "i3", 20, Action.RATING, value=1.0), did("ann", "comet", 10, Action.CLICK),
]  # fmt: skip


def random_arrays(seed: int, shape: Shape = SHAPE) -> dict[str, np.ndarray]:
    """Give parameters as they may be after training: nothing is 0 or 1 any more."""
    random = np.random.default_rng(seed)
    arrays = initial(shape, seed)
    arrays = {name: (one + random.normal(0, 0.2, one.shape)).astype(np.float32) for name, one in arrays.items()}
    arrays["vectors"] = random.normal(0, 0.5, (shape.items + 1, shape.vectors)).astype(np.float32)
    arrays["vectors"][0] = 0
    arrays |= {"term_names": np.arange(shape.terms, dtype=np.uint32), "window": np.array([shape.window]),
               "people_names": np.arange(shape.people, dtype=np.uint32)}  # fmt: skip
    return arrays


def by_torch(arrays: dict[str, np.ndarray], walk: np.ndarray, people: list[int]) -> np.ndarray:
    parameters = {name: torch.from_numpy(one) for name, one in arrays.items() if one.dtype == np.float32}
    towers = Towers(torch, parameters)
    bags = Bags(torch.tensor(people, dtype=torch.int64), torch.zeros(1, dtype=torch.int64))
    with torch.no_grad():
        states = towers.users(Asked(torch.from_numpy(walk.astype(np.int64))[None], bags), parameters["vectors"])
        return np.asarray((states[0, -1] @ parameters["outward"].T).numpy())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("long", [0, 1, 2, 3, 17, 30, 45])
def test_the_vector_is_that_of_pytorch(seed: int, long: int) -> None:
    arrays, random = random_arrays(seed), np.random.default_rng(100 + seed)
    tower = Tower(arrays)
    walk = random.integers(1, SHAPE.items + 1, long).astype(np.int32)
    people = random.choice(SHAPE.people, 2, replace=False).tolist()
    found = tower.users(walk[None], np.array([long], np.int32), tower.start([people]))[0]
    assert np.abs(found - by_torch(arrays, walk[-SHAPE.window :], people)).max() < 1e-4


@pytest.mark.parametrize(
    ("long", "vectors", "width", "heads"), [(0, 5, 6, 3), (1, 5, 6, 2), (4, 3, 2, 1), (23, 9, 8, 4)]
)
def test_the_vector_is_that_of_the_slow_version_in_any_shape(long: int, vectors: int, width: int, heads: int) -> None:
    shape = Shape(items=40, terms=2, people=2, vectors=vectors, width=width, blocks=2, heads=heads, wide=1, window=30)
    arrays, random = random_arrays(7, shape), np.random.default_rng(long)
    tower, walk = Tower(arrays), random.integers(1, 41, long).astype(np.int32)
    found = tower.users(walk[None], np.array([long], np.int32), tower.start([[1]]))[0]
    start = arrays["start"] + arrays["people"][1]
    assert np.abs(found - oracles_tower.tower_users(arrays["vectors"][walk], start, arrays)).max() < 1e-4


def test_a_user_has_the_same_bits_alone_and_in_a_batch() -> None:
    tower, random = Tower(random_arrays(9)), np.random.default_rng(3)
    length = np.array([0, 4, 30, 11, 1], np.int32)
    history = np.where(np.arange(30) < length[:, None], random.integers(1, 201, (5, 30)), 0).astype(np.int32)
    start = tower.start([[], [1], [0, 4], [2], [3]])
    whole = tower.users(history, length, start)
    for row in range(5):
        alone = tower.users(history[row : row + 1], length[row : row + 1], start[row : row + 1])
        assert np.array_equal(alone[0], whole[row])


def served(seed: int = 4) -> Tower:
    arrays = random_arrays(seed)
    names = np.array([term(Kind.CATEGORY, f"c{n}") for n in range(SHAPE.terms)], np.uint32)
    order = np.argsort(names)
    return Tower({**arrays, "term_names": names[order], "terms": arrays["terms"][order]})


def asked(*events: Event) -> QueryBatch:
    record = fold({}, events, range(len(events))).records.get("ann", NOBODY)
    return assemble_batch([query("ann"), query("bob")], [record, None], trending.view(LATER, NOTHING, NOW_MS))


def filled(tower: Tower, batch: QueryBatch, items: np.ndarray) -> np.ndarray:
    out = np.full(items.shape, np.nan, np.float32)
    tower.fill(batch, items, out)
    return out


def test_likes_and_ratings_count_oldest_first_and_a_new_item_by_its_terms() -> None:
    tower = served()
    numbers = [LATER.number(name) for name in ("i1", "i4", "i3", "comet")]
    fresh = tower.fresh(LATER)
    assert fresh.items.tolist() == [LATER.number("comet")]
    assert np.array_equal(fresh.vectors[0], tower._terms[tower._term_names == term(Kind.CATEGORY, "c3")][0])
    expected = tower.users(np.array([numbers], np.int32), np.array([4], np.int32), tower.start([[]]), fresh)
    assert np.array_equal(tower.represent(asked(*ANN))[0], expected[0])
    items = np.array([[numbers[0], numbers[3], 0]] * 2, np.int32)
    wanted = [expected[0] @ tower.vectors[numbers[0]], expected[0] @ fresh.vectors[0], 0]
    np.testing.assert_allclose(filled(tower, asked(*ANN), items)[0], wanted, rtol=1e-4, atol=1e-5)


def test_terms_that_are_told_anew_make_a_new_vector_and_older_views_keep_theirs() -> None:
    tower, moved = served(), LATER.extended([ItemChange(item_id="comet", op="patch", categories=("c5",))], {})
    found = [tower.fresh(catalog).vectors[0] for catalog in (LATER, moved, LATER)]
    of = [tower._terms[tower._term_names == term(Kind.CATEGORY, name)][0] for name in ("c3", "c5", "c3")]
    assert np.array_equal(found, of)
    assert len(tower.fresh(STOCK).items) == 0


def test_the_score_without_an_action_is_that_of_a_history_without_it() -> None:
    tower, items = served(), np.tile(np.arange(1, SHAPE.items + 2, dtype=np.int32), (2, 1))
    batch, out = asked(*ANN), np.full((2, 6, SHAPE.items + 1), np.nan, np.float32)
    assert tower.without(batch, items, out)
    for entry in range(5):
        rest = [event for event in ANN if event is not ANN[4 - entry]]
        np.testing.assert_allclose(out[0, entry], filled(tower, asked(*rest), items)[0], atol=1e-5)
    np.testing.assert_allclose(out[0, 5], filled(tower, batch, items)[0], atol=1e-5)
    np.testing.assert_allclose(out[1], np.repeat(filled(tower, batch, items)[1][None], 6, axis=0), atol=1e-5)


def test_the_source_proposes_the_best_of_all_and_what_is_new() -> None:
    tower = served()
    source, batch = TwoTower(tower, Exact(tower.vectors), 6), asked(*ANN)
    slate = Slate({"two_tower": 6})
    slate.reset(2)
    source.propose(batch, slate)
    best = np.argsort(-(tower.represent(batch)[1] @ tower.vectors[1:].T))[:5] + 1
    assert set(slate.item[1].tolist()) == {*best.tolist(), LATER.number("comet")}


def test_what_is_known_of_a_person_is_said_in_terms() -> None:
    core = Core(age=37, gender="f", location="Bern", device="tv", attributes={"plan": "free"})
    assert len(set(person(core))) == 5
    assert person(core) == person(core.known_as(age=31))
    assert set(person(core)) ^ set(person(core, "phone")) == set(person(Core(device="tv"))) | set(
        person(Core(), "phone")
    )
    assert person(Core()) == []
