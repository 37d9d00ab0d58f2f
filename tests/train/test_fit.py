"""Does a table of events become a bundle that recommends what is known to be liked?"""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from tables import START_MS, checkerboard, table

from foryou.config import Config, Placement, Train
from foryou.domain import catalog as catalogs
from foryou.domain.bundle import Gate, ModelBundle
from foryou.domain.catalog import Catalog
from foryou.domain.event import CODE, Action, Event, hashes, interest
from foryou.domain.item import Item, ItemChange, changed
from foryou.features.assemble import fingerprint
from foryou.models.index import building
from foryou.simulate.world import World
from foryou.train import fit
from foryou.train.dataset import Interactions
from foryou.train.fit import Fit, Report, ratings
from foryou.train.rank import KINDS
from foryou.wiring.models import FEATURES, PRIORS
from foryou.wiring.training import fitting, plain, rehearsal

DAY_MS = 86_400_000
WORLD = World(now_ms=START_MS, users=80, items=300, events=2_000)  # 50 favourites each, 21 of them rated
LITTLE = World(now_ms=START_MS, users=40, items=80, events=600)  # where the size proves nothing
SMALL = msgspec.structs.replace(Config(), train=Train(width=12, iterations=4))


def quiet(stage: str, done: int, total: int) -> None:
    """Hear of progress and say nothing."""


def catalog_of(world: World) -> Catalog:
    return catalogs.build([changed(None, one) for one in world.read() if isinstance(one, ItemChange)], "world", {})


def log_of(world: World, catalog: Catalog) -> Interactions:
    events = [one for one in world.read() if isinstance(one, Event)]
    users = list(dict.fromkeys(event.user_id for event in events))
    action = np.array([CODE[event.action] for event in events], np.uint8)
    value = np.array([event.value for event in events], np.float32)
    return Interactions(
        user=np.array([users.index(event.user_id) for event in events], np.int32),
        item=catalog.numbers(hashes([event.item_id for event in events])),
        at_ms=np.array([event.at_ms for event in events]), taste=interest(action, value), action=action, value=value,
        event_ids=[event.event_id for event in events], user_ids=users, items=len(catalog),
    )  # fmt: skip


@pytest.fixture(scope="module")
def fitted() -> tuple[ModelBundle, Report, Catalog, Interactions]:
    catalog = catalog_of(WORLD)
    log = log_of(WORLD, catalog)
    bundle, report = fitting(SMALL, quiet).bundle(log, catalog, "v1", 77, Path("not used"))
    return bundle, report, catalog, log


def test_a_small_world_is_learned_and_passes_the_gate(
    fitted: tuple[ModelBundle, Report, Catalog, Interactions],
) -> None:
    bundle, report, catalog, _ = fitted
    manifest = bundle.manifest
    assert (manifest.version, manifest.created_ms, manifest.catalog) == ("v1", 77, "world")
    assert manifest.schema == fingerprint(FEATURES)
    assert manifest.gate.verdict == "pass"
    assert manifest.gate.metrics["predictions"] == 200
    assert manifest.ranker in manifest.gate.reason
    assert {f"validation_{name}_ndcg_at_10" for name in KINDS} <= manifest.report.keys()
    assert manifest.report["validation_ndcg_at_10"] > 2 * manifest.report["popularity_ndcg_at_10"] > 0
    shapes = {name: array.shape for name, array in bundle.arrays.items()}
    assert shapes | {
        "vectors": (301, 12), "spectrum": (12,), "links": (301, 301), "popularity": (301,),
        "popular": (len(bundle.arrays["popular"]),), "rating": (301,), "lately": (301,),
        "content_vectors": (301, 64), "sequence_into": (301, 64), "ensemble": (2, len(FEATURES)),
        "mlp-layer0.weight": (128, len(FEATURES)), "logistic-wide": (len(FEATURES),),
    } == shapes  # fmt: skip
    stages = {"popularity", "content", "sequence", "als", "item_to_item", "choices", "rankers"}
    assert stages == set(report.seconds)
    assert len(catalog) == 300


def test_the_favourite_categories_that_were_planted_are_recommended(
    fitted: tuple[ModelBundle, Report, Catalog, Interactions],
) -> None:
    bundle, _, catalog, log = fitted
    lived = rehearsal(bundle, catalog, SMALL, plain(SMALL))
    lived.feed_all(log.events(catalog))
    users = list(WORLD.tastes())
    answers = lived.ask(users, [START_MS] * len(users), 10)
    hits = []
    for user, answer in zip(users, answers, strict=True):
        categories = [catalog.category_name(int(catalog.category[catalog.number(i.item_id)])) for i in answer.items]
        hits.append(sum(name in WORLD.tastes()[user] for name in categories) / 10)
    assert np.mean(hits) > 0.8
    assert sorted(hits)[8] >= 0.5


def test_fitting_twice_gives_the_same_bits() -> None:
    catalog = catalog_of(LITTLE)
    log = log_of(LITTLE, catalog)
    bundle, again = (fitting(SMALL, quiet).bundle(log, catalog, "v1", 77, Path("not used"))[0] for _ in range(2))
    assert "mlp-layer0.weight" in bundle.arrays
    assert again.manifest.settings == bundle.manifest.settings
    for name, array in bundle.arrays.items():
        assert again.arrays[name].tobytes() == array.tobytes(), name


def test_too_few_events_are_not_judged(tmp_path: Path) -> None:
    log, _ = checkerboard(6, 8, 1)
    catalog = catalogs.build([Item(item_id=str(n)) for n in range(1, 9)], "c", {})
    bundle, _ = fitting(SMALL, quiet).bundle(log, catalog, "v", 1, tmp_path)
    assert bundle.manifest.gate == Gate(
        "warn", f"{len(log)} events are too few to learn from or to judge; default weights"
    )
    assert bundle.arrays["blend"].tolist() == [pytest.approx(list(PRIORS.values()))] * 2


def sized(tmp_path: Path, **train: int) -> ModelBundle:
    log, _ = checkerboard(6, 8, 1)
    catalog = catalogs.build([Item(item_id=str(n)) for n in range(1, 9)], "c", {})
    config = msgspec.structs.replace(Config(), train=Train(width=4, iterations=1, **train))
    return fitting(config, quiet).bundle(log, catalog, "v", 1, tmp_path)[0]


def test_the_links_are_kept_whole_or_in_part_by_the_size_of_the_catalog(tmp_path: Path) -> None:
    assert sized(tmp_path).arrays["links"].shape == (9, 9)
    heavy = sized(tmp_path, whole_up_to=7, neighbours=3)
    assert heavy.arrays["link_ids"].shape == heavy.arrays["link_values"].shape == (9, 3)
    alike = sized(tmp_path, ease_up_to=7, neighbours=2)
    assert alike.arrays["link_ids"].shape == (9, 2)
    assert "links" not in alike.arrays
    assert (alike.arrays["link_values"][1] > 0).any()


def test_a_large_catalog_gets_an_index_file(tmp_path: Path) -> None:
    users, items = 60, 2_600
    random = np.random.default_rng(1)
    log = table([(u, int(i), 1.0) for u in range(users) for i in random.choice(items, 60) + 1], items)
    catalog = catalogs.build([Item(item_id=str(n)) for n in range(1, items + 1)], "c", {})
    config = msgspec.structs.replace(
        Config(), train=Train(width=8, iterations=1, ease_up_to=0, neighbours=5, index="ivf")
    )
    made: Fit = fitting(config, quiet)
    arrays, files = made._models(log, catalog, report := Report(), tmp_path)
    assert files == {"index.ivf": tmp_path / "index.ivf"}
    assert files["index.ivf"].stat().st_size > 2_600 * 8
    assert report.figures["index_recall_at_20"] > 0.5
    assert report.figures["index_effort"] in building.SLACKS
    assert len(catalog) == len(arrays["popularity"]) - 1


def test_a_rating_counts_by_how_far_it_is_from_the_usual_one() -> None:
    log = table([(0, 1, 1.0), (1, 1, 1.0), (2, 2, 1.0), (3, 3, -1.0)], 3)
    log.action[:], log.value[:] = CODE[Action.RATING], [5, 5, 3, 1]
    assert ratings(log).tolist() == pytest.approx([0, 3 / 7, -0.5 / 6, -2.5 / 6])
    assert not ratings(table([], 3)).any()


@pytest.mark.parametrize(
    ("ours", "popular", "verdict", "said"),
    [
        (0.2, 0.1, "pass", "NDCG@10 0.2000 on 50 held-out events, popularity 0.1000"),
        (0.102, 0.1, "warn", "NDCG@10 0.1020 on 50 held-out events, popularity 0.1000: hardly better than popularity"),
        (0.099, 0.1, "refuse", "NDCG@10 0.0990 on 50 held-out events, popularity 0.1000: worse than showing everybody"
                               " the same; not promoted"),
    ],
)  # fmt: skip
def test_the_gate_compares_with_popularity(ours: float, popular: float, verdict: str, said: str) -> None:
    gate = fit._gate("mlp", ours, popular, 50)
    assert (gate.verdict, gate.reason) == (verdict, f"mlp: {said}")
    assert gate.metrics == {"ndcg_at_10": ours, "popularity_ndcg_at_10": popular, "predictions": 50.0}


def test_models_are_compared_on_the_home_page_without_exploration_and_cap() -> None:
    home = Placement(collaborative=7, length=3)
    found = plain(msgspec.structs.replace(Config(), placements={"home": home}))
    assert found == Placement(collaborative=7, length=3, category_cap=0, explore_share=0.0)
