"""Is the fast answer the right one? What the index finds, held against the exact answer for the same users."""

import numpy as np

from foryou.domain.slate import Query
from foryou.features.hydrate import Hydrate
from foryou.wiring.home import Home
from foryou.wiring.models import exact_twin
from foryou.wiring.pipelines import pipelines

USERS = 50


def overlap(home: Home, users: list[str], k: int = 20) -> dict[str, float]:
    """Give the mean share of the top k that the served pipeline and one that scans all items agree on."""
    live = home.live()
    live.refresh()
    arm = live.arm_for("")
    hydrate = Hydrate(home.features, lambda: arm.view)
    bundle = home.models.load(arm.version)
    exact = pipelines(exact_twin(bundle), home.config, hydrate)["home"]
    shares = []
    for user in users[:USERS]:
        query = Query(user, k, home.clock.now_ms(), 1, explain=False)
        ours, theirs = (
            {item.item_id for item in pipeline.run([query])[0][0].items if item.source != "exploration"}
            for pipeline in (arm.pipelines["home"], exact)
        )
        shares.append(len(ours & theirs) / max(1, len(theirs)))
    return {
        "overlap_with_exact": round(float(np.mean(shares)), 4),
        "index_recall_at_20": bundle.manifest.report.get("index_recall_at_20", 1.0),
    }
