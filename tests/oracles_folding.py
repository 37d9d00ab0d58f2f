"""The kernels of `foryou.kernels.folding` in the plainest words, one user at a time."""

from collections.abc import Sequence

Act = tuple[int, int, int]  # at_ms, event, item


def remember(history: Sequence[Act], new: Sequence[Act], most: int) -> tuple[list[Act], list[bool]]:
    """Give the newest `most` of both, and which new ones were ever among them."""
    kept, fresh = list(history), []
    for one in new:
        old = len(kept) == most and one[:2] < kept[0][:2]
        fresh.append(not old and one[1] not in {event for _, event, _ in kept})
        if fresh[-1]:
            kept = sorted([*kept, one])[-most:]
    return kept, fresh


def see(seen: Sequence[int], items: Sequence[int], most: int) -> tuple[list[int], list[bool]]:
    """Give the newest `most` distinct items, in the order in which they were first seen, and which came in."""
    kept, novel = list(seen), []
    for item in items:
        novel.append(item not in kept)
        if novel[-1]:
            kept = [*kept, item][-most:]
    return kept, novel


def beginnings(seen: Sequence[int], items: Sequence[int], fresh: Sequence[bool], most: int) -> list[bool]:
    """Say which fresh items are among the first `most` distinct ones."""
    known, found = list(seen), []
    for item, is_fresh in zip(items, fresh, strict=True):
        found.append(is_fresh and len(known) < most and item not in known)
        known += [item] if found[-1] else []
    return found


def latest(history: Sequence[Act], looked: int, most: int) -> list[int]:
    """Give the newest distinct items."""
    return list(dict.fromkeys(item for _, _, item in history[::-1][:looked]))[:most]
