"""How do the processes run: what they serve, where their stores lie, what they fold, and what they tell?"""

from typing import Annotated, Literal

from msgspec import Meta

from foryou.config.group import Group


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
