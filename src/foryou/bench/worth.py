"""Do interleaving and off-policy estimates find what is true? Made-up users whose taste, and so the truth, is known."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.domain.interleaving import team_draft
from foryou.trial.estimate import Sample, lift
from foryou.trial.interleave import preference
from foryou.trial.ope import Logged, cross_fitted, evaluate

Floats = NDArray[np.float64]
ITEMS, WIDTH, LENGTH = 60, 6, 10
VISITS = 6  # lists that a user sees
EAGER = 1.0  # how much users differ in how readily they click: deviation of the logarithm
EXAMINED = 1 / np.arange(1, LENGTH + 1) ** 0.6  # chance that a place is looked at
ARMS, CONTEXT = 20, 5


class Audience:
    """Users with tastes, and two rankers: the second knows the tastes better."""

    def __init__(self, seed: int, errors: tuple[float, float] = (1.2, 1.0)) -> None:
        self._random, self._errors = np.random.default_rng(seed), errors
        self._items = self._random.normal(size=(ITEMS, WIDTH))

    def taste(self) -> tuple[Floats, Floats]:
        """Give what a new user thinks of each item, and the chance of a click on it when looked at."""
        score = np.asarray(self._items @ self._random.normal(size=WIDTH) / np.sqrt(WIDTH))
        eager = np.exp(EAGER * self._random.normal())
        return score, np.asarray(np.minimum(1.0, 0.1 * eager * np.exp(0.8 * score)))

    def lists(self, score: Floats) -> tuple[list[str], list[str]]:
        """Give both rankers' lists for a user."""
        ranked = [
            [str(item) for item in np.argsort(-(score + error * self._random.normal(size=ITEMS)))[:LENGTH]]
            for error in self._errors
        ]
        return ranked[0], ranked[1]

    def clicked(self, shown: list[str], chance: Floats) -> list[str]:
        """Give what a user clicks of a list."""
        drawn = self._random.random(len(shown))
        return [item for place, item in enumerate(shown) if drawn[place] < EXAMINED[place] * chance[int(item)]]


def interleaved(seeds: int, step: int = 50, most: int = 20_000) -> dict[str, Any]:
    """Give the users after which interleaving, and an A/B test, first say for certain that the second is better.

    Both look every `step` users, with bounds that bear it; medians over the seeds. agree: share of seeds in which both
    came to the same, true verdict.
    """
    mixed, split = [], []
    for seed in range(seeds):
        mixed.append(_mixed(Audience(seed), step, most))
        split.append(_split(Audience(seed + 10_000), step, most))
    agree = [one[1] == other[1] == 1 for one, other in zip(mixed, split, strict=True)]
    ours, theirs = (float(np.median([one[0] for one in found])) for found in (mixed, split))
    return {"seeds": seeds, "agree": float(np.mean(agree)), "interleaving_users": ours, "ab_users": theirs,
            "fewer": theirs / ours}  # fmt: skip


def _mixed(people: Audience, step: int, most: int) -> tuple[int, int]:
    wins, clicks = list[float](), list[float]()
    while len(wins) < most:
        for _ in range(step):
            score, chance = people.taste()
            won = total = 0
            for visit in range(VISITS):
                shown = team_draft(*people.lists(score), LENGTH, VISITS * len(wins) + visit)
                clicked = people.clicked(list(shown.items), chance)
                won, total = won + shown.wins(clicked), total + len(clicked)
            wins.append(won)
            clicks.append(total)
        found = preference(np.array(wins), np.array(clicks))
        if found.low > 0 or found.high < 0:
            return len(wins), 1 if found.low > 0 else -1
    return most, 0


def _split(people: Audience, step: int, most: int) -> tuple[int, int]:
    clicks: list[list[float]] = [[], []]
    while sum(map(len, clicks)) < most:
        for number in range(step):
            score, chance = people.taste()
            seen = [people.clicked(people.lists(score)[number % 2], chance) for _ in range(VISITS)]
            clicks[number % 2].append(sum(map(len, seen)))
        control, arm = (Sample(np.array(one), np.full(len(one), float(VISITS * LENGTH))) for one in clicks)
        found = lift(control, arm, 0.1)
        if found and (found.low > 0 or found.high < 0):
            return sum(map(len, clicks)), 1 if found.low > 0 else -1
    return most, 0


def off_policy(runs: int, rounds: int, seed: int) -> dict[str, Any]:
    """Give errors (root mean square) of the estimates of a known policy's worth, and how often the truth was inside."""
    random = np.random.default_rng(seed)
    items, effect = random.normal(size=(ARMS, CONTEXT)), random.normal(0, 0.6, ARMS)
    errors: dict[str, list[float]] = {"ips": [], "snips": [], "doubly_robust": []}
    inside = dict.fromkeys(errors, 0)
    for _ in range(runs):
        log, truth = _log(random, items, effect, rounds)
        found = evaluate(log)
        for name, kept in errors.items():
            one = getattr(found, name)
            kept.append(one.value - truth)
            inside[name] += one.low <= truth <= one.high
    error = {name: float(np.sqrt(np.mean(np.square(kept)))) for name, kept in errors.items()}
    covers = {name: one / runs for name, one in inside.items()}
    ratio = error["doubly_robust"] / error["ips"]
    return {"runs": runs, "rounds": rounds, "error": error, "covers": covers, "robust_to_ips": ratio}


def _log(random: np.random.Generator, items: Floats, effect: Floats, rounds: int) -> tuple[Logged, float]:
    """Draw a log by one policy, the reward being a share that was watched; gives it with the chances that another
    policy has, and what that one is worth.
    """
    context = random.normal(size=(rounds, CONTEXT))
    match = context @ items.T / np.sqrt(CONTEXT)
    mean = 0.6 + 0.1 * match + 0.1 * effect
    logging, wanted = _softmax(0.5 * random.normal(size=match.shape)), _softmax(match)
    shown = (logging.cumsum(axis=1) < random.random((rounds, 1))).sum(axis=1).clip(max=ARMS - 1)
    row = np.arange(rounds)
    reward = mean[row, shown] + 0.2 * random.normal(size=rounds)
    every = np.broadcast_to(np.eye(ARMS), (rounds, ARMS, ARMS))
    inputs = np.concatenate([match[:, :, None], every], axis=2)  # the match, and which item it is
    guess, value = cross_fitted(reward, inputs[row, shown], inputs, wanted)
    log = Logged(reward, logging[row, shown], wanted[row, shown], guess, value)
    return log, float((wanted * mean).sum(axis=1).mean())


def _softmax(score: Floats) -> Floats:
    grown = np.exp(score - score.max(axis=1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=1, keepdims=True))
