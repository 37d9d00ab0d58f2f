"""Does the sequence model learn what comes next, from the newest items most, and the same arrays every time?"""

import numpy as np

from foryou.domain.event import CODE, Action
from foryou.models.sequence import Fading
from foryou.train import sequence
from foryou.train.dataset import Interactions
from foryou.train.sequence import SequenceSettings, fit, pages

FADING = Fading((0.5, 2.0), 0.25, 5)
SETTINGS = SequenceSettings(width=16, epochs=12, rate=0.02, dropout=0.2)


def log(rows: list[tuple[int, int, int, float]], items: int = 12) -> Interactions:
    """Give a log of (user, item, second, taste)."""
    user, item, second, taste = zip(*rows, strict=True)
    count = len(rows)
    return Interactions(
        np.array(user, np.int32), np.array(item, np.int32), np.array(second, np.int64) * 1_000,
        np.array(taste, np.float32), np.full(count, CODE[Action.CLICK], np.uint8), np.full(count, np.nan, np.float32),
        [str(row) for row in range(count)], [str(one) for one in range(max(user) + 1)], items,
    )  # fmt: skip


def rounds(users: int = 60, items: int = 12, seed: int = 1) -> Interactions:
    """Give users who walk through the items in a circle, each from a place of its own."""
    random = np.random.default_rng(seed)
    start = random.integers(0, items, users)
    rows = [(u, int((start[u] + n) % items) + 1, 1_000 * u + 60 * n, 1.0) for u in range(users) for n in range(8)]
    return log(rows, items)


def test_a_page_is_what_one_user_did_in_one_second_with_the_distinct_items_before_it() -> None:
    found = pages(log([
        (0, 3, 0, 1.0), (0, 4, 60, -1.0), (1, 9, 60, 1.0), (0, 3, 120, 0.5), (0, 5, 180, 1.0), (0, 6, 180, 1.0),
    ]), FADING)  # fmt: skip
    assert found.target.tolist() == [3, 4, 3, 5, 6, 9]
    assert found.start.tolist() == [0, 1, 2, 3, 5, 6]
    assert found.history.tolist() == [[0] * 5, [3, 0, 0, 0, 0], [4, 3, 0, 0, 0], [3, 4, 0, 0, 0], [0] * 5]
    expected = [0.0, 2**-0.25, 0.0, 2**-0.25, 0.0]  # a minute ago; an item keeps its strongest taste
    np.testing.assert_allclose(found.weight[:, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(found.weight[2, 1], 3**-0.25, rtol=1e-6)
    assert found.weight[3, 1] == 0  # a dislike


def test_what_comes_next_is_learned_from_the_last_item() -> None:
    into, out = fit(rounds(), FADING, SETTINGS)
    by_group = np.repeat(FADING.places(1)[:, 0], 8)
    scores = (into * by_group) @ out[:, :16].T + out[:, 16]
    best = scores[1:, 1:].argmax(axis=1) + 1  # of each item as the only entry of the history
    assert (best == np.arange(1, 13) % 12 + 1).sum() >= 11


def test_the_same_log_gives_the_same_arrays_and_rows_of_nobody_are_nought() -> None:
    first, second = fit(rounds(), FADING, SETTINGS), fit(rounds(), FADING, SETTINGS)
    assert all(one.tobytes() == other.tobytes() for one, other in zip(first, second, strict=True))
    assert first[0].shape == (13, 16)
    assert first[1].shape == (13, 17)
    assert not first[0][0].any()
    assert not first[1][0].any()


def test_many_items_are_compared_with_a_sample_that_holds_what_was_chosen() -> None:
    random = np.random.default_rng(1)
    target = np.array([70_000, 3, 3], np.int32)
    found = sequence._compared(100_000, target, random)
    assert {3, 70_000} <= set(found.tolist())
    assert sequence.SHARED * 0.9 < len(found) <= sequence.SHARED + 2
    assert (np.diff(found) > 0).all()
    assert sequence._compared(50, target, random).tolist() == list(range(50))
