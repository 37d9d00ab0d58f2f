"""Do the two towers come into a bundle where a placement asks for them, and from there into answers?"""

from pathlib import Path

import msgspec
import numpy as np
from tables import START_MS, table
from test_fit import LITTLE, catalog_of, log_of, quiet

from foryou.config import Config, Placement, Train, TwoTower
from foryou.domain import catalog as catalogs
from foryou.domain.item import Item
from foryou.features.assemble import fingerprint
from foryou.train.fit import Report
from foryou.wiring.models import FEATURES, TOWER_PRIORS, models_of
from foryou.wiring.training import fitting, plain, rehearsal

TOWERS = TwoTower(vectors=24, width=16, heads=2, window=50, epochs=3, rate=0.01, tokens=400, negatives=100, hard=10)
TRAIN = Train(width=12, iterations=4, rankers=(), two_tower=TOWERS)
WANTED = msgspec.structs.replace(Config(), train=TRAIN, placements={"home": Placement(two_tower=60)})


def test_a_quota_has_them_trained_served_and_ranked_by(tmp_path: Path) -> None:
    catalog = catalog_of(LITTLE)
    log = log_of(LITTLE, catalog)
    bundle, report = fitting(WANTED, quiet).bundle(log, catalog, "v1", 77, tmp_path)
    assert bundle.manifest.schema == fingerprint(tuple(TOWER_PRIORS)) != fingerprint(FEATURES)
    assert bundle.arrays["tower-vectors"].shape == (len(catalog) + 1, 24)
    assert bundle.arrays["blend"].shape == (2, len(FEATURES) + 2)
    assert report.seconds["two_tower"] > 0
    assert list(tmp_path.iterdir()) == []  # no checkpoint is left
    lived = rehearsal(bundle, catalog, WANTED, plain(WANTED))
    lived.feed_all(log.events(catalog))
    users = list(LITTLE.tastes())[:10]
    answers = lived.ask([*users, "nobody"], [START_MS] * 11, 10)
    found = [name for answer in answers for item in answer.items for name in item.found_by]
    assert found.count("two_tower") > 20
    assert "two_tower" in [name for item in answers[-1].items for name in item.found_by]  # before any history
    without = msgspec.structs.replace(WANTED, placements={"home": Placement()})
    lived = rehearsal(bundle, catalog, without, plain(without))
    answer = lived.ask(users[:1], [START_MS], 10)[0]
    assert "two_tower" not in [name for item in answer.items for name in item.found_by]


def test_a_bundle_without_them_serves_a_placement_that_asks_for_them(tmp_path: Path) -> None:
    catalog = catalog_of(LITTLE)
    log = log_of(LITTLE, catalog)
    plainly = msgspec.structs.replace(WANTED, placements={"home": Placement()})
    bundle, _ = fitting(plainly, quiet).bundle(log, catalog, "v1", 77, tmp_path)
    assert not [name for name in bundle.arrays if name.startswith("tower-")]
    assert models_of(bundle).towers == ()
    answer = rehearsal(bundle, catalog, WANTED, plain(WANTED)).ask(["nobody"], [START_MS], 10)[0]
    assert len(answer.items) == 10


def test_a_large_catalog_gets_an_index_over_their_vectors(tmp_path: Path) -> None:
    users, items = 60, 2_600
    random = np.random.default_rng(1)
    log = table([(u, int(i), 1.0) for u in range(users) for i in random.choice(items, 60) + 1], items)
    catalog = catalogs.build([Item(item_id=str(n)) for n in range(1, items + 1)], "c", {})
    small = msgspec.structs.replace(TRAIN, width=8, iterations=1, ease_up_to=0, neighbours=5, index="ivf")
    made = fitting(msgspec.structs.replace(WANTED, train=small), quiet)
    _, files = made._models(log, catalog, report := Report(), tmp_path)
    assert set(files) == {"index.ivf", "tower-index.ivf"}
    assert report.figures["tower-index_recall_at_20"] > 0.5
