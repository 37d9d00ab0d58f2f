"""How do two rankers fill one list fairly? Team-draft: they pick in turn, each its best item that is left."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

NEITHER = -1  # the team of an item that has its place by hand


@dataclass(frozen=True, slots=True)
class Mixed:
    """One list of two rankers; team: 0 or 1 for each item, whose pick it was, or NEITHER."""

    items: tuple[str, ...]
    team: tuple[int, ...]

    def wins(self, clicked: Iterable[str]) -> int:
        """Give clicks on picks of the second team less those of the first."""
        team = dict(zip(self.items, self.team, strict=True))
        return sum(2 * one - 1 for item in set(clicked) if (one := team.get(item, NEITHER)) != NEITHER)


def team_draft(first: Sequence[str], second: Sequence[str], k: int, seed: int) -> Mixed:
    """Give k items that the rankers picked in turn, each its best one left; who picks first is drawn for each pair.

    Radlinski et al. 2008, algorithm 2. A team without items left passes.
    """
    random, lists = Random(seed), (list(first), list(second))
    items: list[str] = []
    team: list[int] = []
    taken: set[str] = set()
    place = [0, 0]
    while len(items) < k:
        picked = False
        order = (0, 1) if random.random() < 0.5 else (1, 0)
        for one in order:
            while place[one] < len(lists[one]) and lists[one][place[one]] in taken:
                place[one] += 1
            if len(items) < k and place[one] < len(lists[one]):
                item, picked = lists[one][place[one]], True
                items.append(item)
                team.append(one)
                taken.add(item)
        if not picked:
            break
    return Mixed(tuple(items), tuple(team))
