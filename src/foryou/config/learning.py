"""How are bundles trained?"""

from typing import Annotated, Literal

from msgspec import Meta

from foryou.config.group import Group, Share

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
