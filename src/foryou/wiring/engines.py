"""Who computes for training? This machine, or Spark, as `train.engine` says; and what of the archive it reads."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foryou.config import Config
from foryou.domain.archive import PARTS, State, standing
from foryou.domain.clock import DAY_MS
from foryou.domain.errors import NotFound, Unavailable
from foryou.domain.ports import Archive, Engine
from foryou.domain.tables import Wanted
from foryou.train.als import AlsSettings
from foryou.train.dataset import Interactions
from foryou.train.local import Local
from foryou.wiring.home import Home

Computes = Engine[Interactions, AlsSettings]


def engine_of(config: Config) -> Computes:
    """Give the engine that the settings name. Raises Unavailable where Spark is not installed."""
    if config.train.engine == "local":
        return Local()
    return spark(config)


def spark(config: Config) -> Computes:
    """Give Spark, which starts when it is first asked. Raises Unavailable where it is not installed."""
    try:
        from foryou.train.spark import Spark, SparkSettings
    except ImportError as error:
        raise Unavailable(
            f"The Spark engine needs pyspark ({error}); pip install 'foryou[spark]', and Java 17"
        ) from None
    train = config.train
    settings = SparkSettings(train.spark_master, train.spark_memory_mb, train.spark_partitions)
    return Spark(settings, Path(config.home) / "work" / "spark")


def wanted(store: Archive, state: State, config: Config) -> Wanted:
    """Give what tables are made of: the parts of the window. Raises NotFound where nothing is archived."""
    parts = standing(store.names(f"{PARTS}/"), state)
    if not parts:
        raise NotFound("The log holds no events; import a data set (`foryou import PATH`) or post some first")
    days = config.train.window_days
    since_ms = max(0, int(state.newest_ms - days * DAY_MS)) if days else 0
    day = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=since_ms)).strftime("%Y-%m-%d")
    everything, options = store.located([part.name for part in parts])
    inside, _ = store.located([part.name for part in parts if part.day >= day])
    return Wanted(
        parts=tuple(inside), everything=tuple(everything), folder=Path(config.home) / "work", options=options,
        since_ms=since_ms, sample=config.train.sample, clean=config.train.clean == "on",
    )  # fmt: skip


def vectors_in_force(home: Home) -> NDArray[np.float32] | None:
    """Give the item vectors of the bundle in force, for training to go on from.

    None where nothing is in force, none are wanted, or their width is another. Numbers of items only grow, so those of
    an older catalog are the first ones of the new.
    """
    release = home.models.release() if home.config.train.warm_iterations else None
    if release is None:
        return None
    version = release.version
    vectors = np.array(home.models.load(version).arrays["vectors"], np.float32)
    return vectors if vectors.shape[1] == home.config.train.width else None
