"""How does a test write a table of events? As rows of (user, item, taste), one minute apart."""

from collections.abc import Sequence

import numpy as np

from foryou.domain.event import CODE, Action
from foryou.train.dataset import Interactions

START_MS = 1_700_000_000_000
STEP_MS = 60_000


def table(rows: Sequence[tuple[int, int, float]], items: int, at_ms: Sequence[int] | None = None) -> Interactions:
    """Give the interactions of these rows, in time order; users are numbered from 0, items from 1."""
    user, item, taste = (
        np.array([row[column] for row in rows], dtype) for column, dtype in enumerate((np.int32, np.int32, np.float32))
    )
    when = np.arange(len(rows)) * STEP_MS if at_ms is None else np.array(at_ms)
    return Interactions(
        user=user, item=item, at_ms=START_MS + when.astype(np.int64), taste=taste,
        action=np.full(len(rows), CODE[Action.LIKE], np.uint8), value=np.full(len(rows), np.nan, np.float32),
        event_ids=[f"e{row}" for row in range(len(rows))],
        user_ids=[f"u{number}" for number in range(int(user.max(initial=-1)) + 1)], items=items,
    )  # fmt: skip


def checkerboard(users: int = 50, items: int = 40, left_out: int = 3) -> tuple[Interactions, np.ndarray]:
    """Give a world in which even users like even items and odd ones odd ones, some pairs left out to be found.

    The second answer says who likes what.  bool [users, items + 1]
    """
    random = np.random.default_rng(1)
    likes = (np.arange(users)[:, None] + np.arange(items + 1)[None, :]) % 2 == 0
    likes[:, 0] = False
    rows = []
    for user in range(users):
        own = random.permutation(np.flatnonzero(likes[user]))
        rows += [(user, int(item), 1.0) for item in own[left_out:]]
    return table([rows[place] for place in random.permutation(len(rows))], items), likes
