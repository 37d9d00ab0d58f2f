"""bench: speed and accuracy, measured by commands that anyone can run."""

import shutil
import uuid
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from foryou.bench import engines, fold, freshness, ingest, onboarding, tower, trivago, world
from foryou.bench import features as stores
from foryou.bench.accuracy.ml_1m import SETTINGS
from foryou.bench.server import machine, running
from foryou.cli import learn, show
from foryou.cli.app import FeaturesOption, JsonOption, LogOption, bench, settings
from foryou.cli.demo import ROOT
from foryou.config import Config
from foryou.domain.catalog import Catalog
from foryou.domain.clock import Clock
from foryou.domain.errors import Invalid
from foryou.domain.log import Stream
from foryou.ingest import data, importers
from foryou.simulate.market import Market
from foryou.train.dataset import interactions
from foryou.wiring import backends, pauses, training
from foryou.wiring.home import Home, open_home
from foryou.wiring.logtime import on_clock

FOLDER = Path("var/bench")
WORLD_NOW_MS = 1_767_268_800_000  # 2026-01-01 12:00 UTC: a run of today equals a run of tomorrow
DataOption = Annotated[
    Path | None, typer.Option("--data", help="folder of MovieLens 100K; else as `demo` looks for it")
]
WorkersOption = Annotated[int, typer.Option(help="API processes")]


def prepared(data_path: Path | None, report: show.Report) -> tuple[Config, Home]:
    """Give a home with the data imported and a bundle in force; made once, then found again."""
    config, home = imported(data_path, report)
    if not home.models.release():
        training.train(home, report)
    return on_clock(config), home


def imported(data_path: Path | None, report: show.Report) -> tuple[Config, Home]:
    """Give a home with the data imported; made once, then found again."""
    config = settings(FOLDER / "movielens")
    home = open_home(config)
    if not home.log.ends(Stream.EVENTS):
        found = data.find(data_path, FOLDER, Path(config.data) if config.data else None, ROOT)
        if not found.path:
            raise Invalid("--data", "no data set was found", "name a folder of MovieLens 100K")
        learn.bring_in(home, importers.detect(found.path), report)
    return config, home


@bench.command("freshness")
def freshness_(
    events: Annotated[int, typer.Option(help="events to follow")] = 1_000,
    workers: WorkersOption = 2,
    data_path: DataOption = None,
    json: JsonOption = False,
) -> None:
    """From POST of an event until the answer has changed, one user after another."""
    with show.progress() as report:
        config, home = prepared(data_path, report)
        home.close()
    with running(config, workers) as server:
        result = freshness.measure(server.url, events)
    tell("freshness", result, json)


def known(home: Home) -> tuple[list[str], list[str]]:
    """Give the ids of the users and items of a home's log."""
    view = catalog_of(home)
    log = interactions(Path(home.config.home) / "work" / "snapshot.parquet", view)
    return log.user_ids, [view.id_of(number) for number in np.unique(log.item).tolist()]


def catalog_of(home: Home) -> Catalog:
    """Give the catalog of the bundle in force."""
    release = home.models.release()
    version = release.version if release else ""
    return home.models.load_catalog(home.models.load(version).manifest.catalog)


@bench.command("ingest")
def ingest_(
    log: LogOption = None,
    seconds: Annotated[float, typer.Option(min=1, help="how long")] = 10.0,
    connections: Annotated[int, typer.Option(min=1, max=64, help="clients that post at once")] = 4,
    size: Annotated[int, typer.Option(min=1, max=1_000, help="events per request")] = 500,
    workers: WorkersOption = 2,
    json: JsonOption = False,
) -> None:
    """How many events per second `POST /v1/events` makes durable in the log, with all processes of `serve` running."""
    folder = FOLDER / "ingest" / uuid.uuid4().hex[:8]
    config = settings(folder, stores={"log": log})
    with running(config, workers) as server:
        home = open_home(config)
        result = ingest.measure(server, home.log, seconds, connections, size)
        home.close()
    shutil.rmtree(folder)
    tell("ingest", result | {"log": config.stores.log or "in the home", "workers": workers}, json)


@bench.command("fold")
def fold_(
    log: LogOption = None,
    features: FeaturesOption = None,
    events: Annotated[int, typer.Option(min=1_000, help="events to catch up with")] = 200_000,
    rate: Annotated[int, typer.Option(min=20, help="events per second of the steady stream")] = 2_000,
    seconds: Annotated[float, typer.Option(min=1, help="how long it lasts")] = 30.0,
    sampled: Annotated[int, typer.Option(min=1, help="of so many events one is looked for")] = 100,
    json: JsonOption = False,
) -> None:
    """How fast events become records: catching up in one process, then from the 202 until a read shows the event."""
    folder = FOLDER / "fold" / uuid.uuid4().hex[:8]
    config = settings(folder, stores={"log": log, "features": features})
    home = open_home(config)
    with show.progress() as report:
        fold.fill(home.log, events, report)
    pauses.fewer_pauses()  # as in the process that folds
    result: dict[str, Any] = {"catch_up": fold.catch_up(home.worker())}
    with running(config, workers=1) as server:
        fold.steady(server, home.features, rate, min(3.0, seconds), sampled)  # kernels, connections, group
        result["steady"] = fold.steady(server, home.features, rate, seconds, sampled)
    home.close()
    shutil.rmtree(folder)
    where = {"log": config.stores.log or "in the home", "features": config.stores.features or "in the home"}
    tell("fold", result | where, json)


@bench.command("tower")
def tower_(
    items: Annotated[int, typer.Option(min=1, help="items of the catalog")] = 3_416,
    history: Annotated[int, typer.Option(min=0, max=200, help="items of each history")] = 50,
    json: JsonOption = False,
) -> None:
    """How long the user tower takes: the vector of one user at request time, on one thread, in the shape of ML-1M."""
    tell("tower", tower.measure(SETTINGS, items, history), json)


@bench.command("onboarding")
def onboarding_(
    questions: Annotated[int, typer.Option(min=1, max=100, help="items that each user is asked about")] = 20,
    data_path: DataOption = None,
    json: JsonOption = False,
) -> None:
    """What asking newcomers is worth: first pages with our questions, popular ones, random ones, none. Takes a minute.

    Fits on the older four fifths of MovieLens 100K, then asks the users who came afterwards; they answer with their
    own later ratings. No item that anybody was asked about is shown or counted.
    """
    with show.progress() as report:
        _, home = imported(data_path, report)
        result = onboarding.measure(home, questions, report)
        home.close()
    tell("onboarding", result, json)


@bench.command("features")
def features_(
    features: Annotated[
        str | None, typer.Option(help="the store, such as redis+cluster://host:port", show_default="the home")
    ] = None,
    partitions: Annotated[int, typer.Option(min=1, help="over which Redis spreads the users")] = 64,
    users: Annotated[int, typer.Option(min=1, help="users that are read at a time")] = 32,
    batches: Annotated[int, typer.Option(min=20, help="reads")] = 2_000,
    data_path: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Sizes of the records of MovieLens 100K, and how fast a feature store reads and writes them.

    In Redis the records of the bench keep to the namespace `bench`; nothing else there is touched.
    """
    with show.progress() as report:
        _, home = imported(data_path, report)
        records = stores.folded(home)
        home.close()
    url = f"{features}?namespace=bench" if features and "?" not in features else features
    config = settings(FOLDER / "features", stores={"features": url, "partitions": partitions})
    store = backends.opened("stores.features", backends.FEATURES, config.stores.features, config, Clock())
    result = stores.measure(store, records, partitions, users, batches)
    store.close()
    tell("features", result, json)


@bench.command("cache")
def cache_(
    features: Annotated[str, typer.Option(help="the Redis, such as redis://host:port")],
    partitions: Annotated[int, typer.Option(min=1, help="over which Redis spreads the users")] = 4,
    users: Annotated[int, typer.Option(min=100, help="users that there are")] = 1_000_000,
    rate: Annotated[float, typer.Option(min=1, help="reads per second")] = 1_000,
    events: Annotated[float, typer.Option(min=1, help="events per second")] = 100,
    seconds: Annotated[float, typer.Option(min=1, help="seconds per part")] = 60,
    json: JsonOption = False,
) -> None:
    """What an API process saves by remembering hot users of Redis, and how old what it serves may be.

    Fills a namespace of its own and empties it at the end.
    """
    name = uuid.uuid4().hex[:8]
    folder, url = FOLDER / "cache" / name, features + ("" if "?" in features else f"?namespace=bench-{name}")
    config = settings(folder, stores={"features": url, "partitions": partitions, "log": ""})
    backends.check("--features", {name: one for name, one in backends.FEATURES.items() if name}, url)
    from foryou.bench import memory  # it needs the client of Redis

    with show.progress() as report:
        result = memory.run(config, memory.Traffic(users, rate, events), seconds, report)
    shutil.rmtree(folder, ignore_errors=True)
    tell("cache", result, json)


@bench.command("trivago")
def trivago_(
    tries: Annotated[int, typer.Option(min=1, help="settings that each ranker may try on validation")] = 8,
    data_path: Annotated[
        Path | None, typer.Option("--data", help="folder with the trivago log; else as `demo` looks for data")
    ] = None,
    json: JsonOption = False,
) -> None:
    """MRR on hotel clickouts: our MLP and logistic rankers beside LightGBM, same inputs, same number of tries."""
    folder = data_folder(data_path, "name the folder with the trivago log")
    with show.progress() as report:
        result = trivago.compare(folder, tries, report)
    tell("trivago", result, json)


@bench.command("world")
def world_(
    users: Annotated[int, typer.Option(help="users at the end of the history")] = 2_000,
    items: Annotated[int, typer.Option(help="items at the end of the history")] = 3_000,
    events: Annotated[int, typer.Option(help="events of the history, about")] = 100_000,
    days: Annotated[int, typer.Option(help="days that the history reaches back")] = 30,
    live_days: Annotated[int, typer.Option(min=1, max=30, help="days lived through after the training")] = 7,
    seed: Annotated[int, typer.Option(help="equal seeds and sizes give equal worlds")] = 7,
    json: JsonOption = False,
) -> None:
    """What live knowledge is worth: arms with live, daily and frozen records live through a simulated world.

    Trains on the world's history, then lets each user live in every arm at once. Gives CTR per arm, the lift of live
    over frozen and daily records with intervals, new items against older ones of equal appeal, cold-start coverage,
    categories per list. Each figure's meaning stands in the answer. Takes minutes.
    """
    market = Market(WORLD_NOW_MS, users, items, events, days, seed=seed)
    with show.progress() as report:
        result = world.run(settings(None), market, live_days, report)
    tell("world", result, json)


@bench.command("spark")
def spark_(
    events: Annotated[int, typer.Option(min=1_000, help="events of the archive")] = 5_000_000,
    users: Annotated[int, typer.Option(min=10, help="users, number k with a share like 1/k")] = 200_000,
    items: Annotated[int, typer.Option(min=10, help="items, drawn in the same way")] = 20_000,
    width: Annotated[int, typer.Option(min=2, help="D: width of the vectors")] = 32,
    master: Annotated[str | None, typer.Option(help="where Spark runs", show_default="local[2]")] = None,
    json: JsonOption = False,
) -> None:
    """Tables and ALS of a simulated archive on this machine and on Spark: seconds, CPU seconds, peak memory."""
    folder = FOLDER / "spark" / uuid.uuid4().hex[:8]
    config = settings(folder, train={"width": width, "spark_master": master})
    try:
        with show.progress() as report:
            result = engines.measure(config, events, users, items, report)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    tell("spark", result, json)


def data_folder(data_path: Path | None, mend: str) -> Path:
    """Give the folder of public data that was named, else the one that `demo` would find. Raises Invalid for none."""
    if data_path:
        return data_path
    configured = settings(FOLDER).data
    found = data.find(None, FOLDER, Path(configured) if configured else None, ROOT).path
    if not found:
        raise Invalid("--data", "no data set was found", mend)
    return found


def tell(name: str, result: dict[str, Any], json: bool) -> None:
    """Print a result: one JSON object for machines, tables and lines for people."""
    if json:
        show.as_json({"bench": name, "machine": machine(), "result": result})
        return
    for key, value in result.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            show.table(f"\n{key}", list(value[0]), [list(row.values()) for row in value])
        else:
            show.say(f"{key}: {value}")
