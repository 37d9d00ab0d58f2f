"""What do rankers learn from? The newest pages of a log, or answers that were shown, each lived through in its time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foryou.domain.bundle import ModelBundle
from foryou.domain.catalog import Catalog
from foryou.domain.slate import QueryBatch, Slate
from foryou.train import blend, exposed, replay
from foryou.train.dataset import Interactions
from foryou.train.rank import RankSettings
from foryou.train.watched import seconds as seconds_watched

BLEND_PAGES = 8_000  # newest pages of the validation window that rankers learn from

Rehearse = Callable[
    [ModelBundle, Catalog, Callable[[QueryBatch, Slate, NDArray[np.float32]], None] | None], replay.Rehearsal
]


@dataclass(frozen=True, slots=True)
class Past:
    """Lives through what came after row `cut` of a log, with a pipeline over a draft that knows what was before.

    rehearse: gives that pipeline, with a watcher of the ranker's inputs.
    """

    draft: ModelBundle
    log: Interactions
    cut: int
    catalog: Catalog
    rehearse: Rehearse
    settings: RankSettings
    on_progress: Callable[[str, int, int], None]

    def pages(self) -> tuple[blend.Choices, int]:
        """Live through the newest pages and note the ranker's inputs; gives the row where noting began, too."""
        watched: list[tuple[NDArray[np.int32], NDArray[np.float32], bool]] = []

        def watch(batch: QueryBatch, slate: Slate, inputs: NDArray[np.float32]) -> None:
            kept = slate.kept()
            for b in range(len(batch)):
                places = np.flatnonzero(kept[b])
                watched.append((slate.item[b, places].copy(), inputs[:, b, places].copy(), bool(batch.history[b, 0])))

        log, rehearsal = self.log, self.rehearse(self.draft, self.catalog, watch)
        events = log.events(self.catalog)
        rehearsal.know(log.user_ids, log.people)
        grouped = replay.pages(log, self.cut, len(log))[-BLEND_PAGES:]
        rehearsal.feed_all(events[: grouped[0].start])
        choices = blend.Choices()
        worth = seconds_watched(log) if self.settings.watching else np.ones(len(log), np.float32)
        for pages in replay.together(grouped):
            watched.clear()
            rehearsal.ask([log.user_ids[page.user] for page in pages], [page.at_ms for page in pages], 10)
            for page, (items, inputs, warm) in zip(pages, watched, strict=True):
                place = {item: where for where, item in enumerate(items.tolist())}
                chosen = [place.get(item, -1) for item in log.item[page.start : page.end].tolist()]
                kept = self.settings.worth_keeping(inputs, [c for c in chosen if c >= 0], len(choices.inputs))
                now = {before: after for after, before in enumerate(kept.tolist())}
                places = [now.get(c, -1) for c in chosen]
                choices.add(
                    np.ascontiguousarray(inputs[:, kept]),
                    places,
                    warm,
                    user=log.user_ids[page.user],
                    worth=worth[page.start : page.end].tolist(),
                    known_ms=page.at_ms,
                )
            rehearsal.feed(events[pages[0].start : pages[-1].end])
            self.on_progress("choices", len(choices.inputs), len(grouped))
        return choices, grouped[0].start

    def answers(self, past: Sequence[exposed.Answered]) -> blend.Choices:
        """Live through the answers of the past, each with the records of its time; what was shown are the candidates.

        An item that no source proposes today is left out of its answer.
        """
        watched: list[tuple[NDArray[np.int32], NDArray[np.float32], bool]] = []

        def watch(batch: QueryBatch, slate: Slate, inputs: NDArray[np.float32]) -> None:
            watched.append((slate.item[0].copy(), inputs[:, 0].copy(), bool(batch.history[0, 0])))

        log, rehearsal = self.log, self.rehearse(self.draft, self.catalog, watch)
        events, choices = log.events(self.catalog), blend.Choices()
        rehearsal.know(log.user_ids, log.people)
        rehearsal.feed_all(events[: self.cut])
        second, fed = log.at_ms // 1_000, self.cut
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
            watching = self.settings.watching
            worth = [float(one.seconds[shown]) for shown in found if one.label[shown]] if watching else []
            known_ms = one.at_ms + exposed.WITHIN_MS
            choices.add(np.ascontiguousarray(inputs[:, columns]), taken, warm, at, one.user_id, worth, known_ms)
            self.on_progress("choices", done + 1, len(past))
        return choices
