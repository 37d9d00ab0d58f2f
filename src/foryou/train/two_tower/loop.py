"""How does the training go on? Step by step, from the last checkpoint: a killed run ends with the same bits.

Nothing is drawn from a state that goes on: windows are drawn from (seed, epoch), everything of a step from (seed,
step). So parameters, the moments of AdamW and the number of steps are all that a checkpoint holds.
"""

import hashlib
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.domain.errors import Invalid, Unavailable
from foryou.train.two_tower import loss
from foryou.train.two_tower.histories import Histories, Window, batches
from foryou.train.two_tower.towers import Asked, Bags, Shape, Towers, initial

Arrays = dict[str, NDArray[np.generic]]
Tensor = Any
WARM_UP = 200  # steps in which the rate rises
LAST_RATE = 0.02  # of the highest, at the end; in between it falls like a cosine
BETAS = (0.9, 0.98)
NORM = 1.0  # of a step's gradient, at most
SAVE_EVERY_S = 60.0  # between checkpoints
MOMENTS = ("exp_avg", "exp_avg_sq")  # as PyTorch names them
OBLIVION = 0.1  # share of windows that are learned from without knowing who the user is


@dataclass(frozen=True, slots=True)
class TowerSettings:
    """D `vectors`, W `width`, `blocks`, `heads`, the inner width of a block in W, the longest history that is seen;
    passes over the log, step size, entries per step, share of values dropped, share of items that a step sees without
    their id, items drawn and hard ones to compare with (all are compared where there are no more), seed, device.
    """

    vectors: int = 128
    width: int = 64
    blocks: int = 2
    heads: int = 2
    wide: int = 2
    window: int = 100
    epochs: int = 12
    rate: float = 0.002
    tokens: int = 3_200
    dropout: float = 0.2
    id_dropout: float = 0.05
    negatives: int = 4_096
    hard: int = 256
    seed: int = 42
    device: str = "auto"


def fit(
    histories: Histories, settings: TowerSettings, checkpoint: Path | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_epoch: Callable[[int, Arrays], None] = lambda epoch, arrays: None,
) -> Arrays:  # fmt: skip
    """Give the arrays of `models.tower.Tower`. `checkpoint`: a file from which a broken run goes on. It stays, so
    that the same training asked for again costs nothing; who asked removes it.

    on_epoch sees the arrays after each epoch. Raises Unavailable without PyTorch or without the device.
    """
    torch = _torch()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        run = _Run(torch, histories, settings, checkpoint)
        return run.through(on_progress, on_epoch)
    finally:
        torch.set_num_threads(threads)


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise Unavailable(
            "The two towers are trained with PyTorch, which is not installed; pip install 'foryou[train]', or set the "
            "quota `two_tower` of every placement to 0"
        ) from error
    return torch


class _Run:
    """One training: the parameters, what moves them, and how far it came."""

    def __init__(self, torch: Any, histories: Histories, settings: TowerSettings, checkpoint: Path | None) -> None:
        self.torch, self.histories, self.settings, self._checkpoint = torch, histories, settings, checkpoint
        self.device = _device(torch, settings.device)
        parameters = initial(_shape(histories, settings), settings.seed)
        self.parameters = {name: self._tensor(array).requires_grad_() for name, array in parameters.items()}
        self._optimiser = torch.optim.Adam(list(self.parameters.values()), lr=settings.rate, betas=BETAS, fused=True)
        self._towers = Towers(torch, self.parameters, settings.dropout, torch.Generator(device=self.device))
        count = np.bincount(histories.item, minlength=histories.items + 1)
        self._share, self._known = count / max(1, len(histories.item)), count > 0
        self._fingerprint = fingerprint(histories, settings)
        self.step = self._restored()

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return self.torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def through(self, on_progress: Callable[[int, int], None], on_epoch: Callable[[int, Arrays], None]) -> Arrays:
        """Go through all epochs that are left, and give the arrays."""
        settings, done, total, saved = self.settings, 0, 0, time.monotonic()
        for epoch in range(settings.epochs):
            found = batches(self.histories, settings.window, settings.tokens, (settings.seed, epoch))
            total = total or len(found) * settings.epochs  # about: windows are cut anew in each epoch
            for windows in found:
                done += 1
                if done <= self.step:
                    continue
                self._learn(windows, _pace(self.step, total))
                on_progress(min(self.step, total), total)
                if time.monotonic() - saved > SAVE_EVERY_S:
                    self._save()
                    saved = time.monotonic()
            if done == self.step:
                on_epoch(epoch + 1, self.arrays())
        self._save()
        return self.arrays()

    def _learn(self, windows: list[Window], pace: float) -> None:
        """Take one step at this share of the rate; all that is drawn in it is drawn from (seed, step)."""
        torch, seed = self.torch, (self.settings.seed, self.step)
        random = np.random.default_rng((1, *seed))
        self._towers.seed(int(random.integers(1 << 62)))
        entries = _padded(self.histories.item, windows)
        real = entries > 0
        target = entries[real]
        sample = self._sample(target, random)
        item = sample.item  # the entries are among what was chosen
        vectors = self._towers.items(*self._described(item, random))
        people = self._people(np.array([user for user, _, _ in windows]), random)
        place = self._tensor(np.searchsorted(item, np.maximum(entries[:, :-1], item[0])))
        users = self._towers.users(Asked(place, people), vectors)[self._tensor(real)]
        where, weight = np.searchsorted(item, target), sample.weight
        self._optimiser.zero_grad(set_to_none=True)
        loss.softmax_loss(
            torch, users, vectors @ self.parameters["outward"], self._tensor(where),
            None if weight is None else self._tensor(weight),
        )  # fmt: skip
        torch.nn.utils.clip_grad_norm_(self.parameters.values(), NORM)
        for group in self._optimiser.param_groups:
            group["lr"] = self.settings.rate * pace
        self._optimiser.step()
        self.step += 1

    def _sample(self, target: NDArray[np.int32], random: np.random.Generator) -> loss.Sample:
        """Give the items to compare with: all, or drawn and hard ones."""
        items, settings = self.histories.items, self.settings
        if items <= settings.negatives:
            return loss.everything(items)
        sample = loss.drawn(target, self._share, settings.negatives, random)
        if not settings.hard:
            return sample
        pool = np.unique(random.integers(1, items + 1, settings.hard * loss.POOL, dtype=np.int32))
        with self.torch.no_grad():
            chosen = self._towers.items(*self._described(random.permutation(target)[: loss.LOOKED_AT], None))
            vectors = self._towers.items(*self._described(pool, None))
        return loss.with_hard(sample, loss.hardest(self.torch, chosen, vectors, pool, settings.hard))

    def _described(self, item: NDArray[np.int32], random: np.random.Generator | None) -> tuple[Tensor, Bags, Tensor]:
        """Give items, their terms, and which of them are to keep their id; those nobody chose never have one."""
        kept = self._known[item]
        if random is not None:
            kept = kept & (random.random(len(item)) >= self.settings.id_dropout)
        rows, start = self.histories.terms.take(item)
        mask = self._tensor(kept.astype(np.float32)[:, None])
        return self._tensor(item.astype(np.int64)), Bags(self._tensor(rows), self._tensor(start)), mask

    def _people(self, user: NDArray[np.intp], random: np.random.Generator) -> Bags:
        rows, start = self.histories.people.take(user)
        size = np.diff(start, append=len(rows))
        known = random.random(len(user)) >= OBLIVION
        size = size * known
        return Bags(self._tensor(rows[np.repeat(known, np.diff(start, append=len(rows)))]),
                    self._tensor(np.cumsum(size) - size))  # fmt: skip

    def arrays(self) -> Arrays:
        """Give what serving needs: item vectors made whole, and the parameters of the user tower."""
        torch, histories = self.torch, self.histories
        arrays = {name: one.detach().cpu().numpy().copy() for name, one in self.parameters.items() if name != "ids"}
        vectors = np.zeros((histories.items + 1, self.settings.vectors), np.float32)
        with torch.no_grad():
            for first in range(1, len(vectors), 65_536):
                item = np.arange(first, min(first + 65_536, len(vectors)), dtype=np.int32)
                vectors[item] = self._towers.items(*self._described(item, None)).cpu().numpy()
        names = {"term_names": histories.term_names, "people_names": histories.people_names}
        return {**arrays, **names, "vectors": vectors, "window": np.array([self.settings.window])}

    def _save(self) -> None:
        """Write the checkpoint beside the old one, then put it in its place."""
        if not self._checkpoint:
            return
        state: dict[str, Any] = {"fingerprint": np.array(self._fingerprint), "step": np.array(self.step)}
        for name, one in self.parameters.items():
            state[f"value.{name}"] = one.detach().cpu().numpy()
            moments = self._optimiser.state.get(one, {})  # an empty table never has any
            state |= {f"{moment}.{name}": moments[moment].cpu().numpy() for moment in MOMENTS if moment in moments}
        part = self._checkpoint.with_suffix(".part")
        self._checkpoint.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            np.savez(file, **state)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._checkpoint)

    def _restored(self) -> int:
        """Take up the checkpoint if it is of this training; gives the steps that were taken."""
        if not self._checkpoint or not self._checkpoint.exists():
            return 0
        with np.load(self._checkpoint) as state:
            if str(state.get("fingerprint")) != self._fingerprint:
                return 0
            step = int(state["step"])
            for name, one in self.parameters.items():
                one.data.copy_(self._tensor(state[f"value.{name}"]))
                if f"{MOMENTS[0]}.{name}" in state:
                    moments = {moment: self._tensor(state[f"{moment}.{name}"]) for moment in MOMENTS}
                    self._optimiser.state[one] = {"step": self.torch.tensor(float(step), device=self.device), **moments}
        return step


def drawn(settings: TowerSettings, items: int, seed: int) -> Arrays:
    """Give arrays as `fit` does for a catalog of this size, but of chance: to measure what they take."""
    shape = Shape(items, 0, 0, settings.vectors, settings.width, settings.blocks, settings.heads, settings.wide,
                  settings.window)  # fmt: skip
    found: Arrays = dict(initial(shape, seed))
    none = np.zeros(0, np.uint32)
    return {**found, "vectors": found.pop("ids"), "term_names": none, "people_names": none,
            "window": np.array([settings.window])}  # fmt: skip


def _shape(histories: Histories, settings: TowerSettings) -> Shape:
    if settings.width % settings.heads:
        raise Invalid(
            "train.two_tower.heads", f"{settings.heads} heads do not divide a width of {settings.width}",
            "choose a width that is a multiple of the heads",
        )  # fmt: skip
    return Shape(
        histories.items, len(histories.term_names), len(histories.people_names), settings.vectors, settings.width,
        settings.blocks, settings.heads, settings.wide, settings.window,
    )  # fmt: skip


def _device(torch: Any, name: str) -> str:
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise Unavailable("train.two_tower.device is cuda, and PyTorch finds no GPU here; set it to auto or cpu")
    return "cuda" if name != "cpu" and there else "cpu"


def fingerprint(histories: Histories, settings: TowerSettings) -> str:
    """Give what tells one training from another: settings, histories, what is said of items and users."""
    digest = hashlib.blake2b(json.dumps(asdict(settings), sort_keys=True).encode(), digest_size=16)
    for array in (
        histories.item, histories.start, histories.terms.values, histories.terms.start, histories.people.values,
        histories.people.start, histories.term_names, histories.people_names,
    ):  # fmt: skip
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _padded(item: NDArray[np.int32], windows: list[Window]) -> NDArray[np.int32]:
    """Give the entries of the windows, 0 behind the end of each.  int32 [B, L]"""
    found = np.zeros((len(windows), max(end - first for _, first, end in windows)), np.int32)
    for row, (_, first, end) in zip(found, windows, strict=True):
        row[: end - first] = item[first:end]
    return found


def _pace(step: int, total: int) -> float:
    """Give the share of the step size: up for WARM_UP steps, then down like a cosine."""
    fall = 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1, total))))
    return min(1.0, (step + 1) / WARM_UP) * (LAST_RATE + (1 - LAST_RATE) * fall)
