"""Which knobs are there? One frozen tree from `foryou.toml` in the home and `FORYOU_*` variables; only this reads them.

`FORYOU_SERVE__PORT=9000` sets `serve.port`. Unknown keys are errors.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from msgspec.inspect import StructType, type_info

from foryou.domain.errors import Invalid
from foryou.domain.expression import parse
from foryou.domain.rollout import steps_of

PREFIX = "FORYOU_"
CURSOR_SECRET = "FORYOU_CURSOR_SECRET"
ADMIN_KEY = "FORYOU_ADMIN_KEY"
SECRET_CHARS = 16
HOME = Path("var/home")


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A branch of the tree."""


class Serve(Group, frozen=True):
    """The API processes."""

    host: Annotated[str, Meta(description="address to listen on; the API has no keys yet, so keep it on loopback")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Meta(ge=1, le=65_535, description="TCP port")] = 8000
    grpc_port: Annotated[int, Meta(ge=0, le=65_535, description="TCP port of gRPC, shared by all workers; 0 = off")] = 0
    workers: Annotated[int, Meta(ge=1, le=256, description="API processes")] = 2
    deadline_ms: Annotated[int, Meta(ge=1, le=60_000, description="ms after which optional stages are skipped")] = 100
    refresh_ms: Annotated[int, Meta(ge=10, le=60_000, description="ms between looks at new items and trends")] = 250
    exposure_queue: Annotated[
        int, Meta(ge=1, description="answers that may wait to be logged; more are dropped and counted")
    ] = 10_000
    log_inputs_share: Annotated[
        float, Meta(ge=0, le=1, description="share of answers whose exposure holds the ranker's inputs, for `skew`")
    ] = 0.0
    supervisor_pid: Annotated[
        int, Meta(ge=0, description="process that a child dies with; `serve` sets it, 0 = none")
    ] = 0
    language: Annotated[
        Literal["en", "de", "fr", "es"], Meta(description="language of reasons where none that is known is asked for")
    ] = "en"
    viewed: Annotated[
        Literal["viewed", "watched", "read", "heard"], Meta(description="what reasons call a view: films are watched")
    ] = "viewed"
    clock_offset_ms: Annotated[int, Meta(description="ms added to the wall clock; `serve --clock log` sets it")] = 0


class Stores(Group, frozen=True):
    """Where what is kept lies; empty = in the home. Keys come from the usual variables (`AWS_ACCESS_KEY_ID`, …)."""

    log: Annotated[str, Meta(description="events and changes: kafka://host:port[,host:port]/prefix?partitions=4")] = ""
    spool_mb: Annotated[
        int, Meta(ge=0, le=1_000_000, description="events an API process keeps while the log is away, MB; 0 = none")
    ] = 256
    models: Annotated[str, Meta(description="bundles, catalogs and releases: s3://bucket/prefix or file:///folder")] = (
        ""
    )
    archive: Annotated[str, Meta(description="events as Parquet by day: s3://bucket/prefix or file:///folder")] = ""
    features: Annotated[
        str, Meta(description="user records and counters: redis://host:port or redis+cluster://host:port,host:port")
    ] = ""
    partitions: Annotated[
        int, Meta(ge=1, le=4_096, description="partitions of the log, over which Redis spreads users; fixed for ever")
    ] = 4
    read_ms: Annotated[
        int,
        Meta(ge=1, le=10_000, description="ms that Redis may take for a batch of users; then it is down"),
    ] = 50
    write_ms: Annotated[int, Meta(ge=10, le=60_000, description="ms that Redis may take for a fold")] = 2_000
    read_from: Annotated[
        Literal["primary", "replica"], Meta(description="who answers reads in a cluster; a replica may be ms behind")
    ] = "primary"
    cached_users: Annotated[
        int, Meta(ge=0, le=10_000_000, description="users of Redis that an API process remembers; 0 = none")
    ] = 50_000
    cached_mb: Annotated[int, Meta(ge=1, le=1_000_000, description="memory that they may take, about, MB")] = 256
    endpoint: Annotated[str, Meta(description="address of an S3 that is not Amazon's; empty = AWS_ENDPOINT_URL")] = ""
    region: Annotated[str, Meta(description="region of the bucket; empty = AWS_REGION")] = ""
    cache: Annotated[str, Meta(description="folder on a local disk for copies of bundles; empty = in the home")] = ""
    look_ms: Annotated[int, Meta(ge=10, le=60_000, description="ms between looks for another release")] = 1_000


class Fold(Group, frozen=True):
    """The stream process."""

    batch: Annotated[int, Meta(ge=1, le=100_000, description="records folded at a time, per partition")] = 5_000
    poll_ms: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="ms between looks at the log when idle; four times as many after a second without news",
        ),
    ] = 5
    lease_ms: Annotated[
        int, Meta(ge=100, description="ms after which a silent stream process loses its right to write")
    ] = 5_000


class Trend(Group, frozen=True):
    """The 24 h trend."""

    half_life_h: Annotated[float, Meta(gt=0, description="hours after which an action counts half")] = 12.0


class Boost(Group, frozen=True):
    """Something that is raised (or, below 0, lowered): `add` to the score of what `when` means."""

    when: str
    add: Annotated[float, Meta(ge=-1_000, le=1_000)]
    name: str = ""


class Pin(Group, frozen=True):
    """An item that has its place, 1 = first."""

    item: Annotated[str, Meta(min_length=1, max_length=128)]
    place: Annotated[int, Meta(ge=1, le=500)]


Ranked = Literal["auto", "prior", "blend", "mlp", "logistic", "ensemble"]
Share = Annotated[float, Meta(ge=0, le=1)]
Place = Annotated[int, Meta(ge=1, le=500)]


class Placement(Group, frozen=True):
    """A place where recommendations are shown: its sources, rules and length."""

    collaborative: Annotated[int, Meta(ge=0, le=5_000, description="candidates by user vector")] = 300
    item_to_item: Annotated[int, Meta(ge=0, le=5_000, description="candidates by items of the history")] = 200
    graph: Annotated[int, Meta(ge=0, le=5_000, description="candidates by the graph filter")] = 0
    content: Annotated[int, Meta(ge=0, le=5_000, description="candidates like what was viewed, liked, searched")] = 300
    popular: Annotated[int, Meta(ge=0, le=5_000, description="candidates that trend or are popular")] = 200
    two_tower: Annotated[
        int, Meta(ge=0, le=5_000, description="candidates by the two towers; they are trained where this is above 0")
    ] = 0
    similar: Annotated[int, Meta(ge=0, le=5_000, description="candidates that go with the item of the page")] = 0
    cart: Annotated[int, Meta(ge=0, le=5_000, description="candidates that go with what is in the cart")] = 0
    new_arrivals: Annotated[int, Meta(ge=0, le=1_000, description="candidates published in the last `new_days`")] = 30
    new_days: Annotated[float, Meta(gt=0, le=90, description="days that an item is new")] = 30.0
    editorial: Annotated[int, Meta(ge=0, le=1_000, description="candidates of editorial lists")] = 20
    sponsored: Annotated[int, Meta(ge=0, le=1_000, description="candidates of sponsored lists")] = 10
    editorial_places: Annotated[
        tuple[Place, ...], Meta(max_length=50, description="places that editorial lists may take, 1 = first")
    ] = (5, 15)
    sponsored_places: Annotated[
        tuple[Place, ...], Meta(max_length=50, description="places that sponsored lists may take, 1 = first")
    ] = (3, 10)
    pins: Annotated[tuple[Pin, ...], Meta(max_length=50, description="items that have their place: item, place")] = ()
    boosts: Annotated[
        tuple[Boost, ...], Meta(max_length=50, description="what is raised: when (an expression), add, name")
    ] = ()
    filter: Annotated[str, Meta(description="an expression: what may be shown; empty = anything")] = ""
    ranker: Annotated[Ranked, Meta(description="who ranks; auto = what won on validation; prior = the sources")] = (
        "auto"
    )
    length: Annotated[int, Meta(ge=1, le=500, description="items where the caller does not say how many")] = 20
    category_cap: Annotated[int, Meta(ge=0, description="items of one first category at most; 0 = no cap")] = 5
    calibration: Annotated[
        float, Meta(ge=0, le=1, description="how far the mix of categories follows the history (0..1); 0 = not")
    ] = 0.0
    explore_share: Annotated[float, Meta(ge=0, le=1, description="share of places given to chance (0..1)")] = 0.1
    explore: Annotated[
        Literal["thompson", "random"], Meta(description="how chance is dealt: by what was learned, or evenly")
    ] = "thompson"
    new_impressions: Annotated[
        int,
        Meta(ge=0, le=1_000_000, description="times that each new item is shown, from these places; 0 = as it comes"),
    ] = 50
    pace_days: Annotated[float, Meta(gt=0, le=90, description="days over which a new item gets its impressions")] = 3.0


def _placements() -> dict[str, Placement]:
    return {
        "home": Placement(),
        "item": Placement(
            collaborative=0, item_to_item=0, content=0, similar=300, new_arrivals=0, category_cap=0, explore_share=0.0
        ),
        "cart": Placement(
            collaborative=0,
            item_to_item=0,
            content=0,
            cart=300,
            new_arrivals=0,
            length=10,
            category_cap=0,
            explore_share=0.0,
        ),
    }


Mix = Annotated[tuple[Share, Share, Share], Meta(description="shares of collaborative, content, popular (0..1)")]


class Ensemble(Group, frozen=True):
    """The fixed mix that is served until a learned ranker wins."""

    warm: Annotated[Mix, Meta(description="collaborative, content, popular for users with a history")] = (0.6, 0.3, 0.1)
    cold: Annotated[Mix, Meta(description="the same for users without any")] = (0.0, 0.9, 0.1)
    strength: Annotated[float, Meta(gt=0, description="log odds of one deviation of the whole mix")] = 3.0


class TwoTower(Group, frozen=True):
    """The training of the two towers, where a placement asks for them."""

    vectors: Annotated[int, Meta(ge=2, le=1_024, description="D: width of their user and item vectors")] = 128
    width: Annotated[int, Meta(ge=2, le=1_024, description="W: inner width of the user tower")] = 64
    blocks: Annotated[int, Meta(ge=1, le=16, description="blocks of attention in the user tower")] = 2
    heads: Annotated[int, Meta(ge=1, le=64, description="heads of each attention; they divide the width")] = 2
    wide: Annotated[int, Meta(ge=1, le=8, description="inner width of a block's second half, in widths")] = 2
    window: Annotated[int, Meta(ge=2, le=1_000, description="newest items that are learned from at once")] = 100
    epochs: Annotated[int, Meta(ge=0, le=1_000, description="passes over the histories")] = 12
    rate: Annotated[float, Meta(gt=0, le=1, description="highest step size")] = 0.002
    tokens: Annotated[int, Meta(ge=16, description="entries of histories per step, about")] = 3_200
    dropout: Annotated[float, Meta(ge=0, lt=1, description="share of inner values that a step forgets")] = 0.2
    id_dropout: Annotated[
        float, Meta(ge=0, lt=1, description="share of items that a step knows by their content alone")
    ] = 0.05
    negatives: Annotated[
        int, Meta(ge=1, description="items drawn per step to compare with; all where there are no more")
    ] = 4_096
    hard: Annotated[int, Meta(ge=0, description="items like what was chosen to compare with, besides")] = 256
    device: Annotated[Literal["auto", "cpu", "cuda"], Meta(description="where it is computed; auto = GPU if any")] = (
        "auto"
    )


class Train(Group, frozen=True):
    """The training of a bundle."""

    width: Annotated[int, Meta(ge=2, le=1_024, description="D: width of user and item vectors")] = 128
    iterations: Annotated[int, Meta(ge=1, le=200, description="sweeps of alternating least squares")] = 8
    unobserved: Annotated[float, Meta(gt=0, description="ALS: weight of a user-item pair without action")] = 0.2
    regularisation: Annotated[float, Meta(gt=0, description="ALS: λ")] = 3.0
    power: Annotated[float, Meta(ge=0, le=2, description="ALS: how λ grows with frequency")] = 0.0
    dislike: Annotated[float, Meta(ge=0, description="ALS: confidence of a dislike")] = 1.0
    fold_confidence: Annotated[float, Meta(gt=0, description="fold-in: confidence of an action of just now")] = 3.0
    fold_length: Annotated[int, Meta(ge=1, le=50, description="fold-in: newest distinct items that count")] = 25
    fold_age_power: Annotated[float, Meta(ge=0, description="fold-in: how confidence falls with minutes of age")] = 0.5
    ease_regularisation: Annotated[float, Meta(gt=0, description="item-to-item: λ of EASE")] = 300.0
    ease_decay: Annotated[
        float, Meta(gt=0, le=1, description="item-to-item: how a co-occurrence fades per action in between")
    ] = 0.97
    history: Annotated[int, Meta(ge=1, le=50, description="newest distinct items that models look at")] = 50
    place_power: Annotated[float, Meta(ge=0, description="item-to-item: how weight falls with the place")] = 0.5
    age_power: Annotated[float, Meta(ge=0, description="item-to-item: how weight falls with minutes of age")] = 0.5
    dislike_links: Annotated[float, Meta(le=1, description="item-to-item: weight of a disliked item")] = 0.0
    ease_up_to: Annotated[int, Meta(ge=0, description="items up to which EASE is solved; above, cosine neighbours")] = (
        12_000
    )
    neighbours: Annotated[int, Meta(ge=1, description="K: links kept per item where the matrix is not kept whole")] = (
        300
    )
    whole_up_to: Annotated[int, Meta(ge=0, description="items up to which the item-to-item matrix is kept whole")] = (
        4_000
    )
    index: Annotated[
        Literal["auto", "exact", "ivf", "hnsw"],
        Meta(description="what finds the best item vectors; auto = exact up to 50,000 items, ivf above"),
    ] = "auto"
    index_recall: Annotated[
        float, Meta(ge=0.5, le=0.999, description="share of the exact top 20 that an index is tuned to find")
    ] = 0.95
    validation_share: Annotated[
        float, Meta(gt=0, lt=1, description="newest share of the log that weights are learned on")
    ] = 0.2
    rankers: Annotated[
        tuple[str, ...], Meta(description="rankers that are learned and compared beside ensemble and blend")
    ] = ("logistic", "mlp")
    objective: Annotated[
        Literal["click", "watch_time"], Meta(description="what rankers are learned for: choices, or seconds watched")
    ] = "click"
    teacher_share: Annotated[
        float,
        Meta(ge=0, le=1, description="share of what the MLP learns that the teacher of --weekly says"),
    ] = 0.0
    taken_up: Annotated[int, Meta(ge=1, description="answers taken up, to learn rankers from what was shown")] = 1_000
    graph_spectrum: Annotated[
        int, Meta(ge=1, le=4_096, description="graph filter: singular vectors of its low pass")
    ] = 128
    graph_sharpness: Annotated[float, Meta(gt=0, le=4, description="graph filter: power of its links")] = 1.5
    sequence_width: Annotated[int, Meta(ge=4, le=1_024, description="width of the vectors of what comes next")] = 64
    sequence_epochs: Annotated[int, Meta(ge=0, le=100, description="passes over the log to learn them; 0 = none")] = 12
    content_width: Annotated[int, Meta(ge=1, le=1_024, description="width of the content vectors")] = 64
    content_terms: Annotated[int, Meta(ge=1, description="terms of items that are known, the most frequent")] = 50_000
    content_own: Annotated[float, Meta(ge=0, description="weight of the callers' embeddings beside the terms")] = 1.0
    seed: Annotated[int, Meta(description="start of every random number")] = 42
    window_days: Annotated[
        float,
        Meta(ge=0, description="days of the archive that are learned from, back from the newest arrival; 0 = all"),
    ] = 30.0
    sample: Annotated[float, Meta(gt=0, le=1, description="share of the users that is learned from, by their hash")] = (
        1.0
    )
    clean: Annotated[
        Literal["on", "off"], Meta(description="leave out bots, invalid and duplicate events, and report them")
    ] = "on"
    warm_iterations: Annotated[
        int, Meta(ge=0, le=200, description="sweeps that go on from the vectors in force; 0 = start anew, `iterations`")
    ] = 0
    tracking: Annotated[
        str, Meta(description="MLflow that `train --daily` tells: http://host:port or a folder; empty = none")
    ] = ""
    tracking_model: Annotated[str, Meta(min_length=1, description="name of experiment and model in MLflow")] = "foryou"
    engine: Annotated[Literal["local", "spark"], Meta(description="who makes the tables and solves ALS")] = "local"
    spark_master: Annotated[str, Meta(description="where Spark runs: local[2], spark://host:7077, yarn, k8s://…")] = (
        "local[2]"
    )
    spark_memory_mb: Annotated[int, Meta(ge=512, description="heap of Spark's driver, MB; local: of all of it")] = 2_048
    spark_partitions: Annotated[int, Meta(ge=1, le=10_000, description="parts that Spark divides tables into")] = 8
    two_tower: TwoTower = TwoTower()


class Rollouts(Group, frozen=True):
    """How a new bundle reaches everybody, and what makes it return."""

    schedule: Annotated[
        str,
        Meta(
            max_length=500, description="steps after training, such as shadow:10m,10:1h,50:6h,100:1h; empty = at once"
        ),
    ] = ""
    watch_s: Annotated[
        float, Meta(ge=0, le=604_800, description="s that a bundle put in force at once is watched, the old one ready")
    ] = 600.0
    fault_share: Annotated[
        float,
        Meta(ge=0, le=1, description="share of a new bundle's queries that may go wrong before it returns (0..1)"),
    ] = 0.01
    slower: Annotated[
        float, Meta(ge=1, le=1_000, description="times as long as with the old bundle that its batches may compute")
    ] = 2.0
    slower_ms: Annotated[float, Meta(ge=0, le=60_000, description="ms longer that they may compute in any case")] = 5.0
    metric: Annotated[
        Literal["ctr", "clicks", "conversion", "dwell", "revenue", "diversity"],
        Meta(description="what users do with old and new is compared by"),
    ] = "ctr"
    effect: Annotated[
        float, Meta(gt=0, le=1, description="relative drop of it that the comparison is sharpest for (0.1 = 10 %)")
    ] = 0.1
    drop: Annotated[
        float,
        Meta(ge=0, le=1, description="relative drop of it that is borne; a certain larger one returns the bundle"),
    ] = 0.0
    look_s: Annotated[
        float, Meta(gt=0, le=86_400, description="s between looks at the schedule and at what users did")
    ] = 10.0
    guardrails_s: Annotated[
        float, Meta(ge=0, le=86_400, description="s between looks at the guardrails of experiments; 0 = none")
    ] = 300.0


class Observe(Group, frozen=True):
    """What is told of the processes: metrics, traces, logs."""

    credited_answers: Annotated[
        int, Meta(ge=0, le=100_000_000, description="answers whose outcomes a stream process counts; 0 = counts none")
    ] = 100_000
    expected_requests: Annotated[
        float, Meta(ge=0, description="requests per second expected of all machines; below half is an alert; 0 = none")
    ] = 0.0
    otlp_endpoint: Annotated[
        str, Meta(description="OpenTelemetry collector that sampled requests go to, http://host:4318; empty = none")
    ] = ""
    sample: Annotated[
        float, Meta(ge=0, le=1, description="share of requests that become spans, of those undecided")
    ] = 0.01
    log_format: Annotated[Literal["text", "json"], Meta(description="form of the lines on standard error")] = "text"
    access_log: Annotated[
        Literal["off", "failed", "all"], Meta(description="requests that are told of on standard error")
    ] = "off"
    stream_port: Annotated[
        int, Meta(ge=0, le=65_535, description="TCP port where a `foryou stream` of its own shows its meters; 0 = none")
    ] = 0


class Config(Group, frozen=True):
    """All of it."""

    home: Annotated[str, Meta(description="folder that holds logs, records, catalog, bundles")] = str(HOME)
    data: Annotated[str, Meta(description="folder of a data set for `demo` and `bench`; empty = look around")] = ""
    serve: Serve = Serve()
    stores: Stores = Stores()
    fold: Fold = Fold()
    trend: Trend = Trend()
    train: Train = Train()
    rollout: Rollouts = Rollouts()
    ensemble: Ensemble = Ensemble()
    observe: Observe = Observe()
    placements: dict[str, Placement] = msgspec.field(default_factory=_placements)
    experiments: dict[str, Any] = {}  # by name, as the API takes them; `foryou experiment apply` begins them


def load(home: Path | None = None, environment: Mapping[str, str] | None = None, **overrides: Any) -> Config:
    """Give the configuration: defaults, then `foryou.toml` of the home, then the environment, then `overrides`.

    An override is a group with its settings (`serve={"port": 9000}`); None values are left out.
    Raises Invalid with the key that is unknown or out of bounds.
    """
    environment = os.environ if environment is None else environment
    said = _from_environment(environment)
    folder = Path(home or said.get("home") or HOME)
    tree = _merge(_from_file(folder / "foryou.toml"), said)
    tree = _merge(tree, {name: {k: v for k, v in group.items() if v is not None} for name, group in overrides.items()})
    tree["home"] = str(folder)
    defaults = msgspec.to_builtins(Config())
    if isinstance(tree.get("placements"), dict):
        tree["placements"] = _merge(defaults["placements"], tree["placements"])
    try:
        found = msgspec.convert(tree, Config, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid(
            "configuration", str(error), "`foryou config --explain` lists every key with its bounds"
        ) from None
    if found.train.objective == "watch_time" and not {"logistic", "mlp"} & set(found.train.rankers):
        raise Invalid(
            "train.rankers", "holds no learned ranker, and the others know nothing of watch time",
            "name logistic or mlp, or set train.objective to click",
        )  # fmt: skip
    for name, placement in found.placements.items():
        _check(f"placements.{name}", placement)
    if found.rollout.schedule:
        steps_of(found.rollout.schedule, "rollout.schedule")
    return found


def other_placement(where: str, placement: Placement, changes: Mapping[str, Any]) -> Placement:
    """Give a placement with some settings changed. Raises Invalid for what is unknown or out of bounds."""
    try:
        found = msgspec.convert(msgspec.to_builtins(placement) | dict(changes), Placement)
    except msgspec.ValidationError as error:
        raise Invalid(where, str(error), "`foryou config --explain` lists the bounds of placements") from None
    _check(where, found)
    return found


def _check(where: str, placement: Placement) -> None:
    """Raise Invalid for an expression that cannot be read, and for two pins of one place."""
    if placement.filter:
        parse(placement.filter, f"{where}.filter")
    for boost in placement.boosts:
        parse(boost.when, f"{where}.boosts")
    places = [pin.place for pin in placement.pins]
    if twice := {place for place in places if places.count(place) > 1}:
        raise Invalid(f"{where}.pins", f"place {min(twice)} is given twice", "give each pin a place of its own")


def _from_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(str(path), str(error), "mend the line, or remove the file to use the defaults") from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in environment.items():
        if not name.startswith(PREFIX) or name in ("FORYOU_REQUIRE_SERVICES", CURSOR_SECRET, ADMIN_KEY):
            continue
        *groups, leaf = name.removeprefix(PREFIX).lower().split("__")
        branch = tree
        for group in groups:
            branch = branch.setdefault(group, {})
            if not isinstance(branch, dict):
                raise Invalid(name, f"{group} is set as a whole by another variable", "unset one of the two")
        branch[leaf] = _listed(name, value) if value.startswith(("[", "{")) else value
    return tree


def _listed(name: str, value: str) -> Any:
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError as error:
        raise Invalid(
            name, f"{value!r} is not JSON ({error})", "write lists as JSON, such as [0.6, 0.3, 0.1]"
        ) from None


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _merge(merged[name], value) if both else value
    return merged


def admin_key(environment: Mapping[str, str] | None = None) -> str:
    """Give the key of who may steer, "" = nobody may over the network: a variable, so that no setting shows it.

    Raises Invalid where it could be guessed.
    """
    return _secret(ADMIN_KEY, environment)


def cursor_secret(environment: Mapping[str, str] | None = None) -> str:
    """Give the secret that signs cursors, "" = the home makes its own: a variable, so that no setting shows it.

    Raises Invalid where it could be guessed.
    """
    return _secret(CURSOR_SECRET, environment)


def _secret(name: str, environment: Mapping[str, str] | None) -> str:
    said = (os.environ if environment is None else environment).get(name, "")
    if 0 < len(said) < SECRET_CHARS:
        raise Invalid(name, f"has {len(said)} characters", f"use {SECRET_CHARS} random ones or more")
    return said


def redis_password(environment: Mapping[str, str] | None = None) -> str:
    """Give the password of Redis, "" = none: a variable, as redis-cli has it, so that no setting shows it."""
    return (os.environ if environment is None else environment).get("REDISCLI_AUTH", "")


def explain(config: Config) -> Iterator[tuple[str, Any, Any, str]]:
    """Give every leaf: (key, value, default, what it means)."""
    yield from _leaves("", config, Config())


def _leaves(prefix: str, group: Group, default: Group) -> Iterator[tuple[str, Any, Any, str]]:
    info = type_info(type(group))
    assert isinstance(info, StructType)
    hints = {field.name: field.type for field in info.fields}
    for name in group.__struct_fields__:
        value, usual = getattr(group, name), getattr(default, name)
        if isinstance(value, Group):
            yield from _leaves(f"{prefix}{name}.", value, usual)
        elif isinstance(value, dict):
            for key, member in value.items():
                if isinstance(member, Group):
                    yield from _leaves(f"{prefix}{name}.{key}.", member, usual.get(key, type(member)()))
                else:
                    yield f"{prefix}{name}.{key}", member, None, "an experiment, as the API takes it"
        else:
            meaning = getattr(hints[name], "extra_json_schema", None) or {}
            yield f"{prefix}{name}", value, usual, meaning.get("description", "")
