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
from foryou.domain.event import CODE, Action
from foryou.domain.exposure import Exposure
from foryou.domain.slate import QueryBatch, Slate
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
    two_tower,
)
from foryou.train.dataset import Interactions
from foryou.train.graph import GraphSettings
from foryou.train.metrics import ndcg_of_rank
from foryou.train.two_tower import TowerSettings
from foryou.train.watched import seconds as seconds_watched

SHOWN_ANSWERS = 20_000  # newest answers that they learn from
BLEND_PAGES = 8_000  # newest pages of the validation window that rankers learn from
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


Rehearse = Callable[
    [ModelBundle, Catalog, Callable[[QueryBatch, Slate, NDArray[np.float32]], None] | None], replay.Rehearsal
]


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

    def _judged(
        self, log: Interactions, cut: int, catalog: Catalog, report: Report, exposures: Sequence[Exposure],
        checkpoint: Path,
    ) -> tuple[rank.Ranked, Gate]:  # fmt: skip
        start = rank.unlearned(self.settings.rank)
        if cut < 100 or len(log) - cut < 20:
            return start, Gate("warn", f"{len(log)} events are too few to learn from or to judge; default weights")
        arrays, _ = self._models(log.part(0, cut), catalog, report, None, checkpoint)
        draft = ModelBundle(self._manifest("draft", 0, catalog, start, Gate("none", ""), report), arrays | start.arrays)
        with report.stage("choices"):
            past = exposed.answered(exposures, log, catalog, int(log.at_ms[cut])) if exposures else []
            taught = sum(bool(one.label.any()) for one in past)
            if by_shown := taught >= self.settings.taken_up:
                choices, seen = self._shown_choices(draft, log, cut, catalog, past[-SHOWN_ANSWERS:]), cut
            else:
                choices, seen = self._choices(draft, log, cut, catalog)
        with report.stage("rankers"):
            ranked = rank.learned(choices, self.settings.rank, self.on_progress)
        report.figures["exposures"], watching = float(taught), self.settings.rank.watching
        popular = rank.by_input(choices, "popularity", self.settings.rank) if by_shown or watching else (
            self._popular_ndcg(log, arrays, seen)
        )  # fmt: skip
        report.figures |= {
            f"validation_{name}_ndcg_at_10": value for name, value in ranked.figures.items()
        } | ranked.report
        ours = ranked.figures[ranked.chosen]
        report.figures |= {"validation_ndcg_at_10": ours, "popularity_ndcg_at_10": popular}
        learned_from = " by what was shown" if by_shown else ""
        return ranked, _gate(f"ranker {ranked.chosen}{learned_from}", ours, popular, len(choices.lists) // 2)

    def _choices(self, draft: ModelBundle, log: Interactions, cut: int, catalog: Catalog) -> tuple[blend.Choices, int]:
        """Live through the validation window and note the ranker's inputs; gives the row where noting began, too."""
        watched: list[tuple[NDArray[np.int32], NDArray[np.float32], bool]] = []

        def watch(batch: QueryBatch, slate: Slate, inputs: NDArray[np.float32]) -> None:
            kept = slate.kept()
            for b in range(len(batch)):
                places = np.flatnonzero(kept[b])
                watched.append((slate.item[b, places].copy(), inputs[:, b, places].copy(), bool(batch.history[b, 0])))

        rehearsal = self.rehearse(draft, catalog, watch)
        events = log.events(catalog)
        rehearsal.know(log.user_ids, log.people)
        grouped = replay.pages(log, cut, len(log))[-BLEND_PAGES:]
        rehearsal.feed_all(events[: grouped[0].start])
        choices = blend.Choices()
        worth = seconds_watched(log) if self.settings.rank.watching else np.ones(len(log), np.float32)
        for pages in replay.together(grouped):
            watched.clear()
            rehearsal.ask([log.user_ids[page.user] for page in pages], [page.at_ms for page in pages], 10)
            for page, (items, inputs, warm) in zip(pages, watched, strict=True):
                place = {item: where for where, item in enumerate(items.tolist())}
                chosen = [place.get(item, -1) for item in log.item[page.start : page.end].tolist()]
                kept = self.settings.rank.worth_keeping(inputs, [c for c in chosen if c >= 0], len(choices.inputs))
                now = {before: after for after, before in enumerate(kept.tolist())}
                places = [now.get(c, -1) for c in chosen]
                choices.add(
                    np.ascontiguousarray(inputs[:, kept]),
                    places,
                    warm,
                    user=log.user_ids[page.user],
                    worth=worth[page.start : page.end].tolist(),
                )
            rehearsal.feed(events[pages[0].start : pages[-1].end])
            self.on_progress("choices", len(choices.inputs), len(grouped))
        return choices, grouped[0].start

    def _shown_choices(
        self, draft: ModelBundle, log: Interactions, cut: int, catalog: Catalog, past: Sequence[exposed.Answered]
    ) -> blend.Choices:
        """Live through the answers of the past, each with the records of its time; what was shown are the candidates.

        An item that no source proposes today is left out of its answer.
        """
        watched: list[tuple[NDArray[np.int32], NDArray[np.float32], bool]] = []

        def watch(batch: QueryBatch, slate: Slate, inputs: NDArray[np.float32]) -> None:
            watched.append((slate.item[0].copy(), inputs[:, 0].copy(), bool(batch.history[0, 0])))

        rehearsal = self.rehearse(draft, catalog, watch)
        events, choices = log.events(catalog), blend.Choices()
        rehearsal.know(log.user_ids, log.people)
        rehearsal.feed_all(events[:cut])
        second, fed = log.at_ms // 1_000, cut
        for done, one in enumerate(past):
            until = max(fed, int(np.searchsorted(second, one.at_ms // 1_000)))
            rehearsal.feed_all(events[fed:until])
            fed = until
            watched.clear()
            rehearsal.ask([one.user_id], [one.at_ms], 10)
            items, inputs, warm = watched[0]
            place = {item: where for where, item in enumerate(items.tolist()) if item}
            found = [at for at, item in enumerate(one.item.tolist()) if item in place]
            columns = [place[int(one.item[at])] for at in found]
            taken = [at for at, shown in enumerate(found) if one.label[shown]]
            at = np.array(found, np.int16)
            watching = self.settings.rank.watching
            worth = [float(one.seconds[shown]) for shown in found if one.label[shown]] if watching else []
            choices.add(np.ascontiguousarray(inputs[:, columns]), taken, warm, at, one.user_id, worth)
            self.on_progress("choices", done + 1, len(past))
        return choices

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
            version=version, family="main", created_ms=created_ms, schema=fingerprint(tuple(self.settings.rank.priors)),
            catalog=catalog.version, settings=self.settings.serving, gate=gate, ranker=ranked.chosen,
            report=dict(report.figures),
        )  # fmt: skip


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
