"""How does a table of events become a bundle? Models on the older part, blend on the newer, then all of it again."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foryou.domain.bundle import Gate, Manifest, ModelBundle
from foryou.domain.catalog import Catalog
from foryou.domain.errors import Invalid
from foryou.domain.event import CODE, Action
from foryou.domain.exposure import Exposure
from foryou.features.assemble import fingerprint
from foryou.models import index, kin
from foryou.models.content import Content
from foryou.models.foldin import rotated
from foryou.models.popularity import popularity_of
from foryou.models.sequence import Fading
from foryou.models.tower import PREFIX, Tower
from foryou.train import (
    als,
    blend,
    content,
    exposed,
    graph,
    item_item,
    lifts,
    rank,
    replay,
    sequence,
    stages,
    teacher,
    two_tower,
)
from foryou.train.choices import Past, Rehearse
from foryou.train.dataset import Interactions
from foryou.train.graph import GraphSettings
from foryou.train.metrics import ndcg_of_rank
from foryou.train.two_tower import TowerSettings

SHOWN_ANSWERS = 20_000  # newest answers that they learn from
TYPICAL = 500  # users that an index is tried with
USUAL_RATINGS = 5  # ratings of the usual height that each item starts with


@dataclass(frozen=True, slots=True)
class FitSettings:
    """All that training can be told (see `config.Train` and `config.Placement`)."""

    als: als.AlsSettings
    ease: item_item.EaseSettings
    content: content.ContentSettings
    ease_up_to: int
    whole_up_to: int
    neighbours: int
    validation_share: float
    serving: dict[str, float]  # settings of the models at serving time, into the manifest
    sequence: sequence.SequenceSettings
    rank: rank.RankSettings
    taken_up: int  # answers of which something was taken up, for rankers to learn from what was shown
    index_kind: str = "auto"  # kind of the index over item vectors
    index_recall: float = index.RECALL_TARGET
    graph: GraphSettings | None = None  # None: no placement asks for it
    towers: TowerSettings | None = None  # None = no placement asks for them


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What rankers learn from, the models that saw it, the row where it begins, whether it was shown."""

    choices: blend.Choices
    arrays: dict[str, NDArray[np.generic]]
    seen: int
    by_shown: bool


@dataclass(slots=True)
class Report:
    """What training took and found."""

    seconds: dict[str, float] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage; stages of one name add up."""
        start = time.perf_counter()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 3)


@dataclass(frozen=True, slots=True)
class Fit:
    """Fits bundles. `rehearse` gives a served pipeline over a bundle, with a watcher of the ranker's inputs.

    factorise: who solves, as `domain.ports.Engine` has it · start: item vectors that the final models go on from.
    """

    settings: FitSettings
    rehearse: Rehearse
    on_progress: Callable[[str, int, int], None]
    factorise: Callable[..., NDArray[np.float32]] = als.factorise
    start: NDArray[np.float32] | None = None
    taught_by: teacher.Teacher | None = None  # the network of last week

    def bundle(
        self, log: Interactions, catalog: Catalog, version: str, created_ms: int, folder: Path,
        exposures: Sequence[Exposure] = (),
    ) -> tuple[ModelBundle, Report]:  # fmt: skip
        """Give the bundle of a whole log: its rankers and gate from the newest part, its models from all of it.

        Where enough of `exposures` were taken up, rankers learn from what was shown; else from candidates.
        """
        report = Report()
        log = replay.by_page(log)
        cut = int(len(log) * (1 - self.settings.validation_share))
        begun = folder / "two_tower-draft.npz", folder / "two_tower.npz"
        ranked, gate = self._judged(log, cut, catalog, report, exposures, begun[0])
        arrays, files = self._models(log, catalog, report, folder, begun[1])
        for checkpoint in begun:
            checkpoint.unlink(missing_ok=True)
        manifest = self._manifest(version, created_ms, catalog, ranked, gate, report)
        return ModelBundle(manifest, arrays | ranked.arrays, files), report

    def teach(
        self, log: Interactions, catalog: Catalog, folder: Path, exposures: Sequence[Exposure] = ()
    ) -> teacher.Teacher:
        """Give a teacher from the newest part of a log. Raises Invalid where it is too small, or has none to teach."""
        log, report = replay.by_page(log), Report()
        cut = int(len(log) * (1 - self.settings.validation_share))
        if _few(log, cut):
            raise Invalid("the log", f"holds {len(log)} events, too few for a teacher", "train without --weekly so far")
        checkpoint = folder / "two_tower-draft.npz"
        choices = self._choices(log, cut, catalog, report, exposures, checkpoint).choices
        checkpoint.unlink(missing_ok=True)
        return teacher.learned(choices, self.settings.rank, self._schema, self.on_progress)

    def _choices(
        self, log: Interactions, cut: int, catalog: Catalog, report: Report, exposures: Sequence[Exposure],
        checkpoint: Path,
    ) -> _Chosen:  # fmt: skip
        """Give what rankers learn from, seen by models of the rows before `cut`."""
        start = rank.unlearned(self.settings.rank)
        arrays, _ = self._models(log.part(0, cut), catalog, report, None, checkpoint)
        draft = ModelBundle(self._manifest("draft", 0, catalog, start, Gate("none", ""), report), arrays | start.arrays)
        with report.stage("choices"):
            lived = Past(draft, log, cut, catalog, self.rehearse, self.settings.rank, self.on_progress)
            past = exposed.answered(exposures, log, catalog, int(log.at_ms[cut])) if exposures else []
            taken = sum(bool(one.label.any()) for one in past)
            if by_shown := taken >= self.settings.taken_up:
                choices, seen = lived.answers(past[-SHOWN_ANSWERS:]), cut
            else:
                choices, seen = lived.pages()
        report.figures["exposures"] = float(taken)
        return _Chosen(choices, arrays, seen, by_shown)

    def _judged(
        self, log: Interactions, cut: int, catalog: Catalog, report: Report, exposures: Sequence[Exposure],
        checkpoint: Path,
    ) -> tuple[rank.Ranked, Gate]:  # fmt: skip
        if _few(log, cut):
            said = f"{len(log)} events are too few to learn from or to judge; default weights"
            return rank.unlearned(self.settings.rank), Gate("warn", said)
        found = self._choices(log, cut, catalog, report, exposures, checkpoint)
        choices, by_shown, watching = found.choices, found.by_shown, self.settings.rank.watching
        with report.stage("rankers"):
            ranked = rank.learned(choices, self.settings.rank, self.on_progress, self._teachers(choices, report))
        popular = rank.by_input(choices, "popularity", self.settings.rank) if by_shown or watching else (
            self._popular_ndcg(log, found.arrays, found.seen)
        )  # fmt: skip
        report.figures |= {
            f"validation_{name}_ndcg_at_10": value for name, value in ranked.figures.items()
        } | ranked.report
        ours = ranked.figures[ranked.chosen]
        report.figures |= {"validation_ndcg_at_10": ours, "popularity_ndcg_at_10": popular}
        learned_from = " by what was shown" if by_shown else ""
        return ranked, _gate(f"ranker {ranked.chosen}{learned_from}", ours, popular, len(choices.lists) // 2)

    def _teachers(self, choices: blend.Choices, report: Report) -> tuple[teacher.Arrays, teacher.Arrays] | None:
        """Give the networks that may teach the rankers of these choices, if any; says so in the report."""
        known, share = self.taught_by, self.settings.rank.teacher_share
        if known is None or not share or known.schema != self._schema or not known.may_teach(choices):
            return None
        report.figures["teacher_share"] = share
        return known.early, known.whole

    @property
    def _schema(self) -> str:
        return fingerprint(tuple(self.settings.rank.priors))

    def _popular_ndcg(self, log: Interactions, arrays: dict[str, NDArray[np.generic]], seen: int) -> float:
        column = np.asarray(arrays["popularity"], np.float32)
        shown = replay.window(log, seen, len(log))
        rank = replay.ranks(shown, lambda history, taste: np.tile(column, (len(history), 1)))
        return float(ndcg_of_rank(rank).mean())

    def _models(
        self,
        log: Interactions,
        catalog: Catalog,
        report: Report,
        folder: Path | None,
        checkpoint: Path | None = None,
    ) -> tuple[dict[str, NDArray[np.generic]], dict[str, Path]]:
        settings = self.settings
        arrays: dict[str, NDArray[np.generic]] = {}
        with report.stage("popularity"):
            popular = popularity_of(np.bincount(log.item[log.taste != 0], minlength=log.items + 1).astype(np.float32))
            arrays["popularity"], arrays["popular"] = popular.column, popular.top
            arrays["rating"], arrays["lately"] = ratings(log), stages.lately(log)
            arrays["stage_counts"], arrays["stage_lift"] = stages.fit(log)
        with report.stage("content"):
            arrays |= content.fit(catalog, popular.column, settings.content) | lifts.fit(log, catalog)
            arrays |= kin.arrays_of(Content(arrays), popular.column, catalog)
        with report.stage("sequence"):
            arrays["sequence_into"], arrays["sequence_out"] = sequence.fit(log, Fading(), settings.sequence)
        with report.stage("als"):
            start = self.start if folder is not None else None  # a draft must not know what it is judged by
            vectors = self.factorise(log, settings.als, lambda done, total: self.on_progress("als", done, total), start)
            arrays["vectors"], arrays["spectrum"] = rotated(vectors)
        with report.stage("item_to_item"):
            if log.items > settings.ease_up_to:
                arrays["link_ids"], arrays["link_values"] = item_item.cosine(log, settings.neighbours)
            else:
                links = item_item.ease(log, settings.ease)
                if log.items <= settings.whole_up_to:
                    arrays["links"] = links
                else:
                    arrays["link_ids"], arrays["link_values"] = item_item.heaviest(links, settings.neighbours)
        if settings.graph:
            with report.stage("graph"):
                found = graph.fit(log, settings.graph, lambda done, total: self.on_progress("graph", done, total))
                arrays |= {"graph_into": found.into, "graph_out": found.out}
                arrays |= {"graph_ids": found.ids, "graph_values": found.values}
        users = self._add_towers(log, catalog, report, arrays, checkpoint) if settings.towers else None
        kind = index.chosen(settings.index_kind, log.items)
        if folder is None or kind == "exact":
            return arrays, {}
        with report.stage("index"):
            return arrays, _indices(log, arrays, users, report, folder, kind, settings.index_recall)

    def _add_towers(
        self, log: Interactions, catalog: Catalog, report: Report, arrays: dict[str, NDArray[np.generic]],
        checkpoint: Path | None,
    ) -> NDArray[np.float32]:  # fmt: skip
        """Add the arrays of the two towers, and give vectors of some users: float32 [<= 500, D]."""
        assert self.settings.towers
        with report.stage("two_tower"):
            histories = two_tower.histories_of(log, catalog)
            found = two_tower.fit(
                histories, self.settings.towers, checkpoint,
                lambda done, total: self.on_progress("two_tower", done, total),
            )  # fmt: skip
            arrays |= {f"{PREFIX}{name}": array for name, array in found.items()}
            return two_tower.some_users(histories, Tower(found), TYPICAL)

    def _manifest(
        self, version: str, created_ms: int, catalog: Catalog, ranked: rank.Ranked, gate: Gate, report: Report
    ) -> Manifest:
        return Manifest(
            version=version, family="main", created_ms=created_ms, schema=self._schema,
            catalog=catalog.version, settings=self.settings.serving, gate=gate, ranker=ranked.chosen,
            report=dict(report.figures),
        )  # fmt: skip


def _few(log: Interactions, cut: int) -> bool:
    return cut < 100 or len(log) - cut < 20


def ratings(log: Interactions) -> NDArray[np.float32]:
    """Give the mean rating of each item minus that of all, drawn to 0 by a few usual ones.  float32 [N+1]"""
    rated = (log.action == CODE[Action.RATING]) & ~np.isnan(log.value)
    usual = float(log.value[rated].mean()) if rated.any() else 0.0
    away = np.bincount(log.item[rated], log.value[rated] - usual, minlength=log.items + 1)
    return (away / (np.bincount(log.item[rated], minlength=log.items + 1) + USUAL_RATINGS)).astype(np.float32)


def _gate(who: str, ours: float, popular: float, predictions: int) -> Gate:
    metrics = {"ndcg_at_10": ours, "popularity_ndcg_at_10": popular, "predictions": float(predictions)}
    said = f"{who}: NDCG@10 {ours:.4f} on {predictions} held-out events, popularity {popular:.4f}"
    if ours < popular:
        return Gate("refuse", f"{said}: worse than showing everybody the same; not promoted", metrics)
    if ours < 1.05 * popular:
        return Gate("warn", f"{said}: hardly better than popularity", metrics)
    return Gate("pass", said, metrics)


def _indices(
    log: Interactions, arrays: dict[str, NDArray[np.generic]], users: NDArray[np.float32] | None, report: Report,
    folder: Path, kind: str, recall: float,
) -> dict[str, Path]:  # fmt: skip
    """Build an index of a kind over each table of item vectors that is searched; `users`: some, by the towers."""

    def of(name: str) -> NDArray[np.float32]:
        return np.asarray(arrays[name], np.float32)

    searched = {"index": (of("vectors"), _typical_users(log, of("vectors")))}
    if "graph_out" in arrays:
        searched["graph_index"] = of("graph_out"), _typical_users(log, of("graph_into"))
    if users is not None:
        searched[f"{PREFIX}index"] = of(f"{PREFIX}vectors"), users
    files = {}
    for name, (vectors, typical) in searched.items():
        built = index.build(vectors, typical, folder / name, kind, target=recall)
        files[built.file.name] = built.file
        report.figures |= built.figures(name)
    return files


def _typical_users(log: Interactions, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give means of a few items that one user liked: what user vectors look like.  float32 [500, D]"""
    random = np.random.default_rng(0)
    users = random.choice(len(log.user_ids), min(TYPICAL, len(log.user_ids)), replace=False)
    order = np.argsort(log.user, kind="stable")
    bounds = np.searchsorted(log.user[order], [users, users + 1])
    return np.stack([vectors[log.item[order[a:b]][-20:]].mean(axis=0) for a, b in bounds.T]).astype(np.float32)
