"""What does a large network say to a small one? Its own opinion of each list, beside what was chosen."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.models.mlp import Ranker
from foryou.train.ranker.groups import Groups, places


def told(groups: Groups, teacher: Mapping[str, NDArray[Any]], share: float) -> Groups:
    """Give groups whose labels are soft, for the listwise loss: (1 - share) of what was chosen, share of the teacher.

    Both are distributions over the list; the teacher's is the softmax of its logits, with what it learned that the
    positions add (Hinton, Vinyals, Dean, "Distilling the knowledge in a neural network", 2015, at temperature 1). A
    list from which nothing was chosen stays so. teacher: arrays of a ranker of the same inputs.
    """
    added = np.append(teacher["position"], np.float32(0))[places(groups, True)]
    logit = Ranker(teacher).logits(groups.inputs).astype(np.float64) + added
    label = np.zeros(len(groups.label), np.float32)
    for first, end in pairwise(groups.start.tolist()):
        chosen = groups.label[first:end]
        if chosen.sum() > 0:
            opinion = np.exp(logit[first:end] - logit[first:end].max())
            label[first:end] = (1 - share) * chosen / chosen.sum() + share * opinion / opinion.sum()
    return replace(groups, label=np.minimum(label, 1))
