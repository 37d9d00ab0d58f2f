"""What is a service made of? The stores, the pipelines and the settings that its verbs need."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from foryou.api.cursors import Cursors
from foryou.api.models import Bundles
from foryou.config import Placement
from foryou.domain.ports import EventLog, FeatureStore, ItemStore, ModelStore, TimeSource
from foryou.ingest.exposures import Exposures
from foryou.observe.metrics import Metrics
from foryou.serve.live import Live
from foryou.serve.prepared import Prepared
from foryou.serve.wording import Words


@dataclass(frozen=True, slots=True)
class Parts:
    """What a service is made of."""

    live: Live
    log: EventLog
    features: FeatureStore
    items: ItemStore
    models: ModelStore
    exposures: Exposures
    metrics: Metrics
    clock: TimeSource
    deadline_ms: int
    placements: Mapping[str, Placement]
    cursors: Cursors
    prepared: Prepared
    bundles: Bundles
    admin_key: str = ""  # of who may steer over the network; empty = nobody
    words: Words = field(default_factory=Words)
