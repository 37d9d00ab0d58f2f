"""Is a new item given what holds for the items most like it, in every input, also in what-ifs, and nobody else?"""

import numpy as np
import pytest

from foryou.domain import catalog as catalogs
from foryou.domain.catalog import Catalog
from foryou.domain.event import Event
from foryou.domain.item import Item, ItemChange
from foryou.domain.records import NOBODY, Trending
from foryou.domain.slate import QueryBatch
from foryou.features import trending
from foryou.features.fold import fold
from foryou.features.hydrate import assemble_batch
from foryou.models.content import Content
from foryou.models.item_item import ItemItem, ItemItemSettings, Links
from foryou.models.kin import Borrowed, K, Kin, arrays_of
from foryou.models.popularity import Column
from foryou.train import content
from foryou.train.content import ContentSettings
from worlds import NOW_MS, did, query

EACH = 8
TOPICS = ("war", "love", "space")
NOTHING = Trending(np.zeros(0, np.int32), np.zeros(0, np.uint64), np.zeros(0, np.int64), {})


def item(name: str, topic: str, n: int) -> Item:
    return Item(item_id=name, title=f"{topic} tale part{n % 3}", categories=(topic,))


STOCK = [item(f"{topic}-{n}", topic, n) for topic in TOPICS for n in range(EACH)]
CATALOG = catalogs.build([*STOCK, item("unread", "love", 1), Item(item_id="blank")], "v", {})
COMET = ItemChange(item_id="comet", op="put", title="space tale part1", categories=("space",))
LATER = CATALOG.extended([COMET, ItemChange(item_id="odd", op="put", title="zzz")], {})
ACTED = np.zeros(len(CATALOG) + 1, np.float32)
ACTED[1 : len(STOCK) + 1] = np.random.default_rng(2).uniform(1, 5, len(STOCK))
LINKS = np.random.default_rng(3).uniform(0, 1, (len(ACTED), len(ACTED))).astype(np.float32)


@pytest.fixture(scope="module")
def kin() -> Kin:
    arrays = content.fit(CATALOG, ACTED, ContentSettings(width=6))
    model = Content(arrays)
    return Kin(model, {"popularity": ACTED, **arrays_of(model, ACTED, CATALOG)})


def asked(*events: Event, of: Catalog = LATER) -> QueryBatch:
    record = fold({}, events, range(len(events))).records.get("ann", NOBODY)
    return assemble_batch([query("ann"), query("bob")], [record, None], trending.view(of, NOTHING, NOW_MS))


def numbers(*names: str, of: Catalog = LATER) -> np.ndarray:
    return np.array([[of.number(name) for name in names], [0] * len(names)], np.int32)


def filled(feature: object, batch: QueryBatch, items: np.ndarray) -> np.ndarray:
    out = np.full(items.shape, np.nan, np.float32)
    feature.fill(batch, items, out)
    return out


@pytest.mark.parametrize(("name", "topic"), [("unread", "love"), ("comet", "space")])
def test_those_who_stand_in_are_alike_and_known(kin: Kin, name: str, topic: str) -> None:
    (found,) = kin.nearest(LATER, numbers(name)[0])
    assert len(set(found.tolist())) == K
    assert {LATER.id_of(number).split("-")[0] for number in found.tolist()} == {topic}
    assert (ACTED[found] > 0).all()


def test_a_new_item_has_the_mean_of_its_kin_and_all_others_their_own(kin: Kin) -> None:
    items = numbers("comet", "war-0", "unread", "odd", "blank")
    found = filled(Borrowed(Column("popularity", ACTED), kin), asked(), items)
    for column, name in ((0, "comet"), (2, "unread")):
        assert found[0, column] == pytest.approx(ACTED[kin.nearest(LATER, numbers(name)[0])].mean(), rel=1e-5)
    assert found[0, 1] == ACTED[LATER.number("war-0")]
    assert found[0, 3:].tolist() == [0, 0]  # like nothing else
    assert found[1].tolist() == [0] * 5


def test_what_is_told_of_an_item_anew_decides_anew_who_stands_in(kin: Kin) -> None:
    moved = LATER.extended([ItemChange(item_id="comet", op="patch", title="war tale part1", categories=("war",))], {})
    both = [
        filled(Borrowed(Column("popularity", ACTED), kin), asked(of=one), numbers("comet"))[0, 0]
        for one in (LATER, moved, LATER)
    ]
    assert both[0] == both[2] != both[1]


def test_the_input_without_an_action_is_that_of_a_history_without_it(kin: Kin) -> None:
    model = Borrowed(ItemItem(Links(LINKS), ItemItemSettings()), kin)
    ann = [did("ann", "war-1", 30), did("ann", "space-2", 20), did("ann", "love-3", 10)]
    items = numbers("comet", "war-0", "unread")
    out = np.full((2, 4, 3), np.nan, np.float32)
    batch = asked(*ann)
    assert model.without(batch, items, out)
    for entry in range(3):
        rest = [event for event in ann if event is not ann[2 - entry]]
        np.testing.assert_allclose(out[0, entry], filled(model, asked(*rest), items)[0], rtol=1e-5)
    np.testing.assert_allclose(out[0, 3], filled(model, batch, items)[0], rtol=1e-5)
    assert not Borrowed(Column("popularity", ACTED), kin).without(batch, items, out)


def test_before_the_first_training_nobody_stands_in() -> None:
    arrays = content.fit(CATALOG, ACTED, ContentSettings(width=6))
    nobody = np.zeros_like(ACTED)
    untaught = Kin(
        Content(arrays), {"popularity": nobody, "kin_items": np.zeros(0, np.int32), "kin": np.zeros((0, K), np.int32)}
    )
    untaught.prepare(LATER)
    assert untaught.standing(LATER, numbers("comet", "war-0")) is None
