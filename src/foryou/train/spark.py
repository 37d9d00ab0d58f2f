"""How are tables made and vectors found on Spark? The same Parquet, the same fold inside its workers, MLlib's ALS.

Equal to `train.local` row by row; the contract over both stands in tests/contracts/test_engine.py.
"""

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as sql

from foryou.domain.clock import DAY_MS
from foryou.domain.event import CODE, Action
from foryou.domain.tables import EXAMPLES, REASONS, Cleaned, Tables, Wanted
from foryou.train import people
from foryou.train.als import AlsSettings, pairs
from foryou.train.dataset import Interactions
from foryou.train.local import BUCKETS, EARLIEST_MS, LEARNED, PEOPLE, SAID, SAME, Progress, example

ROWS = 20_000  # per batch between the JVM and Python
PAUSE = "6h"  # that a session on this machine may stand still
PEOPLE_SCHEMA = ", ".join(
    f"{name} {'binary' if kind == pl.Binary else 'bigint' if kind == pl.Int64 else 'string'}"
    for name, kind in PEOPLE.items()
)


@dataclass(frozen=True, slots=True)
class SparkSettings:
    """Where Spark runs, the heap of its driver (MB), and into how many parts tables are divided."""

    master: str = "local[2]"
    memory_mb: int = 2_048
    partitions: int = 8


class Spark:
    """The Engine on Spark. Its session starts with the first call, and is one for all; `folder` is for what passes by.

    With a master elsewhere, the archive and `folder` must be what its workers can reach: S3, or a shared disk.
    """

    def __init__(self, settings: SparkSettings, folder: Path) -> None:
        self._settings, self._folder = settings, folder.absolute()
        self._session: SparkSession | None = None

    def tables(self, wanted: Wanted, on_progress: Progress) -> Tables:
        """Make the tables; each is a folder that appears whole or not at all."""
        rows = _flagged(self._rows(wanted), wanted.clean).persist()
        try:
            good = rows.filter("reason = ''")
            users = self._written(self._people(good), "users", wanted.folder, ["user_id"])
            on_progress(1, 3)
            known = self._spark.read.parquet(_file(users))
            bots = known.filter("verdict != ''") if wanted.clean else known.limit(0)
            kept = good.join(sql.broadcast(bots.select("user_id")), "user_id", "left_anti").select(*SAID)
            interactions = self._written(kept, "snapshot", wanted.folder, ["at_ms", "event_id"])
            on_progress(2, 3)
            cleaned = (*_invalid(rows), *_bots(bots)) if wanted.clean else ()
            on_progress(3, 3)
        finally:
            rows.unpersist()
        return Tables(interactions, users, cleaned)

    def factorise(
        self, log: Interactions, how: AlsSettings, on_progress: Progress, start: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Give the item vectors float32 [N+1, D] of MLlib's implicit ALS (Hu, Koren, Volinsky 2008).

        MLlib weighs a pair 1 + alpha·|r| where we weigh α + c: alpha = 1/α. Its ridge is regParam times the number of
        pairs of a row, ours (power 0) λ/α for each row: regParam makes the sum over all rows the same. It cannot go on
        from `start`, which is left aside.
        """
        del start
        user, item, taste = pairs(log)
        given = self._folder / "pairs.parquet"
        given.parent.mkdir(parents=True, exist_ok=True)
        liked = np.where(taste < 0, taste * how.dislike, taste)
        pl.DataFrame({"user": user, "item": item, "taste": liked}).write_parquet(given)
        rows = len(np.unique(user)) + len(np.unique(item))
        ridge = how.regularisation / how.unobserved * rows / max(2 * len(user), 1)
        solver = ALS(
            rank=how.width, maxIter=how.iterations, regParam=ridge, alpha=1 / how.unobserved, implicitPrefs=True,
            userCol="user", itemCol="item", ratingCol="taste", seed=how.seed, numUserBlocks=self._settings.partitions,
            numItemBlocks=self._settings.partitions, intermediateStorageLevel="MEMORY_AND_DISK",
        )  # fmt: skip
        model = solver.fit(self._spark.read.parquet(_file(given)))
        found = self._folder / "factors"
        model.itemFactors.write.mode("overwrite").parquet(_file(found))
        vectors = np.zeros((log.items + 1, how.width), np.float32)
        factors = pl.read_parquet(sorted(found.glob("*.parquet")))
        if len(factors):
            vectors[factors["id"].to_numpy()] = np.array(factors["features"].to_list(), np.float32)
        on_progress(how.iterations, how.iterations)
        return vectors

    def close(self) -> None:
        """Stop the session, if it ever started."""
        if self._session is not None:
            self._session.stop()
            self._session = None
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _spark(self) -> SparkSession:
        if self._session is None:
            self._session = _started(self._settings, self._folder)
        return self._session

    def _rows(self, wanted: Wanted) -> DataFrame:
        """Give the events about items of the window, of the sampled users, under the names that they have now."""
        read = self._spark.read.option("recursiveFileLookup", "true")
        newest = Window.partitionBy("query").orderBy(sql.desc("at_ms"), sql.desc("event_id"))
        merged = (
            read.parquet(*_hadoop(wanted.everything))
            .filter((sql.col("action") == CODE[Action.ALIAS]) & (sql.col("unit") == "from"))
            .withColumn("place", sql.row_number().over(newest))
            .filter("place = 1")
            .select(
                sql.col("query").alias("guest"), sql.col("user_id").alias("became"), sql.col("user_hash").alias("hash")
            )
        )
        rows = read.parquet(*_hadoop(wanted.parts)).filter(
            sql.col("action").isin(LEARNED) & (sql.col("received_ms") >= wanted.since_ms)
        )
        rows = rows.join(merged, rows["user_id"] == merged["guest"], "left").withColumns(
            {"user_id": sql.coalesce("became", "user_id"), "user_hash": sql.coalesce("hash", "user_hash")}
        )
        if wanted.sample < 1:
            bucket = sql.col("user_hash").bitwiseAND(sql.lit(BUCKETS - 1))
            rows = rows.filter(bucket < round(wanted.sample * BUCKETS))
        return rows.select(*SAID, "received_ms")

    def _people(self, rows: DataFrame) -> DataFrame:
        order = ["user_id", "at_ms", "event_id"]
        apart = rows.repartition(self._settings.partitions, "user_id").sortWithinPartitions(*order)
        return apart.select(*people.NEEDED).mapInArrow(_folded, PEOPLE_SCHEMA)

    def _written(self, table: DataFrame, name: str, folder: Path, order: list[str]) -> Path:
        """Write a table in files that are in order by name, and put the folder in place of the old one."""
        staged, path = self._folder / name, folder / f"{name}.parquet"
        table.sort(*order).write.mode("overwrite").parquet(_file(staged))
        _gone(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        staged.rename(path)
        return path


def _gone(path: Path) -> None:
    if path.is_dir():
        old = path.with_suffix(".old")
        shutil.rmtree(old, ignore_errors=True)
        path.rename(old)
        shutil.rmtree(old)
    else:
        path.unlink(missing_ok=True)


def _started(settings: SparkSettings, folder: Path) -> SparkSession:
    said = {
        "spark.driver.memory": f"{settings.memory_mb}m", "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false", "spark.sql.shuffle.partitions": str(settings.partitions),
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(ROWS), "spark.sql.session.timeZone": "UTC",
        "spark.sql.adaptive.coalescePartitions.enabled": "false",
    }  # fmt: skip
    if settings.master.startswith("local"):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else whichever python3 comes first
        said |= {
            "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
            "spark.local.dir": str(folder / "shuffle"),
            # a laptop that slept for two minutes: Spark would take its only executor for dead, and never get it back
            "spark.network.timeout": PAUSE, "spark.executor.heartbeatInterval": "60s",
        }  # fmt: skip
    builder = SparkSession.builder.appName("foryou train").master(settings.master)
    session = reduce(lambda built, one: built.config(*one), said.items(), builder).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def _hadoop(paths: Sequence[str]) -> list[str]:
    """Give the URLs that Hadoop's file systems know: s3a for a bucket."""
    return [f"s3a://{path.removeprefix('s3://')}" if path.startswith("s3://") else _file(Path(path)) for path in paths]


def _file(path: Path) -> str:
    """Give the URL of a local file as Hadoop wants it: nothing in it is escaped."""
    return f"file://{path.absolute()}"


def _flagged(rows: DataFrame, clean: bool) -> DataFrame:
    """Add why an event is left out, "" = it is not."""
    if not clean:
        return rows.withColumn("reason", sql.lit(""))
    value, place = sql.col("value"), sql.row_number().over(Window.partitionBy(*SAME).orderBy("event_id"))
    infinite = sql.isnan(value) | (sql.abs(value) == float("inf"))
    reason = (
        sql.when(sql.col("item_id") == "", "no item")
        .when(sql.col("at_ms") < EARLIEST_MS, "before 1990")
        .when(sql.col("at_ms") > sql.col("received_ms") + DAY_MS, "future")
        .when(value.isNotNull() & infinite, "no number")
        .when(sql.col("place") > 1, "duplicate")
        .otherwise("")
    )
    return rows.withColumn("place", place).withColumn("reason", reason).drop("place")


def _folded(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Run the one fold over the users of a partition, in a worker of Spark."""
    schema = pa.schema([(name, _arrow(kind)) for name, kind in PEOPLE.items()])
    for rows in people.whole((batch.to_pydict() for batch in batches), people.BATCH):
        yield pa.RecordBatch.from_pydict(people.people(rows), schema=schema)


def _arrow(kind: Any) -> pa.DataType:
    return pa.binary() if kind == pl.Binary else pa.int64() if kind == pl.Int64 else pa.string()


def _invalid(rows: DataFrame) -> Iterator[Cleaned]:
    bad = rows.filter("reason != ''")
    grouped = bad.groupBy("reason").agg(sql.count("*").alias("events"), sql.countDistinct("user_id").alias("users"))
    counts = {row["reason"]: (row["events"], row["users"]) for row in grouped.collect()}
    for reason in REASONS:
        if reason in counts:
            first = bad.filter(sql.col("reason") == reason).orderBy("at_ms", "event_id").limit(EXAMPLES)
            examples = tuple(example(*row) for row in first.select(*SAID[:5]).collect())
            yield Cleaned(reason, *counts[reason], examples)


def _bots(bots: DataFrame) -> Iterator[Cleaned]:
    found = bots.select("verdict", "user_id", "why", "actions").orderBy("user_id").collect()
    for verdict in ("rate", "regularity", "flood"):
        if own := [row for row in found if row["verdict"] == verdict]:
            examples = tuple(f"user {row['user_id']}: {row['why']}" for row in own[:EXAMPLES])
            yield Cleaned(f"bots: {verdict}", sum(row["actions"] for row in own), len(own), examples)
