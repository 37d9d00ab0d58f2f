"""Which items is a choice compared with, and how wrong was it? Softmax over all items, or over a sample of them.

What was chosen is compared with the other choices of the batch, with items drawn evenly, and with hard ones: those most
like what was chosen. An item that was drawn with chance π stands for 1/π items (logQ correction: Bengio, Senécal 2008;
Yi et al. 2019), so the sum over the sample is that over all items on average. What was chosen, and what was sought, is
there anyway and stands for itself.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensor = Any
ROWS = 512  # worked out at once on a CPU: 512 x 3,416 scores stay in its cache
ROWS_CUDA = 16_384
POOL = 16  # items per hard one among which the hard ones are sought
LOOKED_AT = 64  # choices of a batch that hard ones are to be like


@dataclass(frozen=True, slots=True)
class Sample:
    """The items that a step compares: item int32 [S] sorted; weight float32 [S] is -log π, None where all are there."""

    item: NDArray[np.int32]
    weight: NDArray[np.float32] | None


def everything(items: int) -> Sample:
    """Give all items 1..items."""
    return Sample(np.arange(1, items + 1, dtype=np.int32), None)


def drawn(target: NDArray[np.int32], share: NDArray[np.float64], negatives: int, random: np.random.Generator) -> Sample:
    """Give the items chosen in the batch and `negatives` drawn evenly; share float64 [N+1] of all choices is each's.

    The chance of an item is that of being chosen in a batch of this size, or drawn: 1 − exp(−(n·share + S/N)).
    """
    items = len(share) - 1
    item = np.unique(np.concatenate([target, random.integers(1, items + 1, negatives, dtype=np.int32)]))
    expected = len(target) * share[item] + negatives / items
    return Sample(item.astype(np.int32), -np.log(-np.expm1(-expected)).astype(np.float32))


def with_hard(sample: Sample, hard: NDArray[np.int32]) -> Sample:
    """Give the sample with items that were sought and not drawn: each stands for itself."""
    assert sample.weight is not None
    item = np.union1d(sample.item, hard).astype(np.int32)
    weight = np.zeros(len(item), np.float32)
    weight[np.searchsorted(item, sample.item)] = sample.weight
    weight[np.searchsorted(item, hard)] = 0
    return Sample(item, weight)


def hardest(torch: Any, chosen: Tensor, vectors: Tensor, pool: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """Give the items of the pool that are most like one of those chosen.  chosen [n, D] · vectors [P, D] of the pool"""
    with torch.no_grad():
        found = (chosen @ vectors.T).amax(dim=0).topk(min(count, len(pool))).indices.cpu().numpy()
    return np.asarray(pool[np.sort(found)])


def softmax_loss(torch: Any, users: Tensor, vectors: Tensor, place: Tensor, weight: Tensor | None) -> float:
    """Add to users and vectors the gradient of the mean of -log softmax, and give that mean.

    users [n, W] and vectors [S, W] carry gradients; place int64 [n] is where among the S what was chosen stands.
    Scores are worked out part by part, each part's gradient with them, so that they are never kept for all.
    """
    x, w = users.detach(), vectors.detach()
    slope_x, slope_w = torch.empty_like(x), torch.zeros_like(w)
    n, total, rows = len(x), 0.0, ROWS_CUDA if x.is_cuda else ROWS
    with torch.no_grad():
        for first in range(0, n, rows):
            some, mine = x[first : first + rows], place[first : first + rows]
            row = torch.arange(len(mine), device=x.device)
            score = some @ w.T
            if weight is not None:
                score += weight
                score[row, mine] -= weight[mine]
            score -= score.amax(dim=1, keepdim=True)
            good = score[row, mine].clone()
            score.exp_()
            whole = score.sum(dim=1, keepdim=True)
            total += float((whole.log()[:, 0] - good).sum())
            score /= whole
            score[row, mine] -= 1
            slope_x[first : first + rows] = score @ w
            slope_w.addmm_(score.T, some)
    torch.autograd.backward([users, vectors], [slope_x / n, slope_w / n])
    return total / n
