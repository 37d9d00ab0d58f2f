"""How do the lists of two arms become one? What both place by hand stays, the rest they draft in turn."""

from dataclasses import replace

import numpy as np

from foryou.domain.event import hash64
from foryou.domain.interleaving import NEITHER, team_draft
from foryou.domain.slate import NOT_LOGGED, PLACED, Answer, Query

SHORT = ("short_answer", "filter_exhausted")  # what the mixed list may not lack though one of the two does


def mixed(first: Answer, second: Answer, query: Query) -> Answer:
    """Give one answer out of those of two arms to a query; its items name their `team`, 0 or 1.

    An item that both show at the same place by hand (pinned, sponsored, editorial) stays there, and is of no team.
    """
    both = first, second
    by_hand = {
        place: one.item_id
        for place, (one, other) in enumerate(zip(first.items, second.items, strict=False))
        if one.item_id == other.item_id and one.source in PLACED[1:]
    }
    kept = set(by_hand.values())
    wishes = [[item.item_id for item in answer.items if item.item_id not in kept] for answer in both]
    wanted = min(query.k, len(kept) + len(set().union(*wishes)))
    drafted = team_draft(wishes[0], wishes[1], wanted - len(kept), hash64(f"{query.seed}:teams"))
    picks = iter(zip(drafted.items, drafted.team, strict=True))
    order = [(by_hand[place], NEITHER) if place in by_hand else next(picks) for place in range(wanted)]
    known = [{item.item_id: at for at, item in enumerate(answer.items)} for answer in both]
    places = [(max(team, 0), known[max(team, 0)][item_id]) for item_id, team in order]
    items = [replace(both[one].items[at], team=team) for (one, at), (_, team) in zip(places, order, strict=True)]
    lacks = dict.fromkeys((*first.degraded, *second.degraded))
    degraded = tuple(name for name in lacks if name not in SHORT or wanted < query.k)
    return replace(first, items=items, degraded=degraded, inputs=NOT_LOGGED, expected=_expected(both, places))


def _expected(both: tuple[Answer, Answer], places: list[tuple[int, int]]) -> bytes:
    """Give the chances of a click as they are logged, each by the arm that picked; nothing where one cannot tell."""
    told = [np.frombuffer(answer.expected, np.float16) for answer in both]
    if any(len(one) != len(answer.items) for one, answer in zip(told, both, strict=True)):
        return b""
    return np.array([told[one][at] for one, at in places], np.float16).tobytes()
