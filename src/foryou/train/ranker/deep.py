"""How is the wide and deep ranker learned? A linear part beside an MLP 128-64-32-1, fitted together with PyTorch.

It starts as the logistic ranker (the MLP's last layer begins at 0) and keeps the epoch that is best on validation, so
it is never worse there than the logistic one of the same objective. PyTorch computes the layers and their gradients;
the losses are those of `loss`, shared with the logistic ranker. One thread and one seed: the same arrays every time.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.domain.errors import Unavailable
from foryou.models.mlp import LIMIT
from foryou.train.ranker.choice import chosen
from foryou.train.ranker.groups import FORMS, Arrays, Groups, Problem, Settings, exported, posed, seen_as
from foryou.train.ranker.logistic import POSITION_RIDGE, solved
from foryou.train.ranker.loss import residual

Tensor = Any
ROWS = 65_536  # of validation worked out at once


def fit_mlp(
    groups: Groups, settings: Settings, validation: Groups | None = None, prior: NDArray[np.float32] | None = None
) -> Arrays:
    """Give the arrays of a wide and deep ranker for groups; prior as in `fit_logistic`, for the wide part.

    Raises Unavailable without PyTorch, Invalid if nothing was chosen or the prior does not fit.
    """
    torch = _torch()
    problem = posed(groups, settings, prior)
    judge = None if validation is None else seen_as(validation, problem)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return chosen(lambda one: _Fit(torch, problem, one).run(judge), problem, settings, validation)
    finally:
        torch.set_num_threads(threads)


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise Unavailable(
            "The MLP ranker is trained with PyTorch, which is not installed; pip install 'foryou[train]', or choose "
            "the ranker `logistic`"
        ) from error
    return torch


class _Fit:
    """One fit: the parameters as tensors, and what moves them."""

    def __init__(self, torch: Any, problem: Problem, settings: Settings) -> None:
        self.torch, self.problem, self.settings = torch, problem, settings
        self.form = FORMS[settings.objective]
        self.random = np.random.default_rng(settings.seed)
        self.masks = torch.Generator().manual_seed(settings.seed)
        wide, bias, position = solved(problem, settings)
        self.z = torch.from_numpy(problem.z)
        self.place = torch.from_numpy(problem.place)
        self.prior = torch.from_numpy(problem.prior)
        self.wide = self._tensor(wide)
        self.bias = self._tensor(np.array([bias]))
        self.position = self._tensor(position)
        self.layers = [(self._tensor(weight), self._tensor(bias)) for weight, bias in self._initial()]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": [one for layer in self.layers for one in layer], "weight_decay": settings.decay},
                {"params": [self.wide, self.bias, self.position], "weight_decay": 0.0},
            ],
            lr=settings.rate,
        )

    def _tensor(self, values: NDArray[Any]) -> Tensor:
        return self.torch.tensor(values, dtype=self.torch.float32, requires_grad=True)

    def _initial(self) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """Give weights and biases: He et al. 2015 for the hidden layers, 0 for the last and for dead columns."""
        width = self.problem.z.shape[1]
        for n, units in enumerate((*self.settings.hidden, 1)):
            last = n == len(self.settings.hidden)
            weight = self.random.normal(0, 0 if last else np.sqrt(2 / width), (units, width))
            if n == 0:
                weight[:, ~self.problem.alive] = 0
            yield weight, np.zeros(units)
            width = units

    def run(self, judge: Problem | None) -> Arrays:
        """Give the arrays of the best epoch on `judge`, or of the last one."""
        kept, best, since = self._arrays(), np.inf if judge is None else self._loss(judge), 0
        for epoch in range(self.settings.epochs):
            for group in self.optimiser.param_groups:  # falls to a tenth, linearly
                group["lr"] = self.settings.rate * (1 - 0.9 * epoch / max(1, self.settings.epochs - 1))
            for batch in self._batches():
                self._step(batch)
            loss = -np.inf if judge is None else self._loss(judge)
            if judge is None or loss < best:
                kept, best, since = self._arrays(), loss, 0
            else:
                since += 1
                if since >= self.settings.patience:
                    break
        return kept

    def _batches(self) -> Iterator[NDArray[np.int64]]:
        """Give the groups in random order, in batches of about `batch_rows` rows."""
        order = self.random.permutation(len(self.problem.groups))
        size = np.diff(self.problem.groups.start)[order]
        batch = (np.cumsum(size) - size) // self.settings.batch_rows
        yield from np.split(order, np.flatnonzero(np.diff(batch)) + 1)

    def _step(self, groups: NDArray[np.int64]) -> None:
        torch, problem = self.torch, self.problem
        start, rows = problem.groups.rows(groups)
        picked = torch.from_numpy(rows)
        logit = self._logit(self.z[picked], self.place[picked], dropout=self.settings.dropout)
        slope = np.empty(len(rows))
        residual(
            logit.detach().double().numpy(), start, problem.groups.label[rows], problem.groups.weight[groups],
            self.form, slope,
        )  # fmt: skip
        self.optimiser.zero_grad()
        logit.backward(torch.from_numpy(slope.astype(np.float32)))
        with torch.no_grad():
            self.wide.grad += 2 * self.settings.ridge * (self.wide - self.prior)
            self.position.grad += 2 * POSITION_RIDGE * self.position
        self.optimiser.step()

    def _logit(self, z: Tensor, place: Tensor, dropout: float = 0.0) -> Tensor:
        torch = self.torch
        position = torch.cat([self.position, torch.zeros(1)])
        hidden = z.clamp(-float(LIMIT), float(LIMIT))
        for n, (weight, bias) in enumerate(self.layers):
            hidden = torch.addmm(bias, hidden, weight.T)
            if n < len(self.layers) - 1:
                hidden = hidden.relu()
                if dropout:
                    kept = torch.empty_like(hidden).bernoulli_(1 - dropout, generator=self.masks)
                    hidden = hidden * kept / (1 - dropout)
        return z @ self.wide + self.bias + position[place] + hidden[:, 0]

    def _loss(self, judge: Problem) -> float:
        torch, groups = self.torch, judge.groups
        logit = np.empty(len(judge.z))
        with torch.no_grad():
            for first in range(0, len(logit), ROWS):
                part = slice(first, first + ROWS)
                z, place = torch.from_numpy(judge.z[part]), torch.from_numpy(judge.place[part])
                logit[part] = self._logit(z, place).numpy()
        return residual(logit, groups.start, groups.label, groups.weight, self.form, np.empty(len(logit)))

    def _arrays(self) -> Arrays:
        def copied(tensor: Tensor) -> NDArray[np.float32]:
            return np.array(tensor.detach().numpy(), np.float32)

        arrays = exported(self.problem, copied(self.wide), float(self.bias.detach()), copied(self.position))
        for n, (weight, bias) in enumerate(self.layers):
            arrays |= {f"layer{n}.weight": copied(weight), f"layer{n}.bias": copied(bias)}
        return arrays
