"""Is the world of variants what it says, and the same for every policy?"""

import numpy as np
import pytest

from foryou.simulate.artwork import FOR_ALL, FOR_SOME, SEGMENTS, VARIANTS, Gallery


def test_equal_fields_are_an_equal_world_and_others_another() -> None:
    one, same, other = Gallery(3).round(2, 5), Gallery(3).round(2, 5), Gallery(4).round(2, 5)
    for name in ("item", "segment", "expected", "chance", "luck"):
        assert getattr(one, name).tobytes() == getattr(same, name).tobytes()
    assert one.chance.tobytes() != other.chance.tobytes()
    assert Gallery(3).round(2, 6).luck.tobytes() != one.luck.tobytes()


def test_a_list_holds_each_item_once_and_popular_ones_more_often() -> None:
    shown = np.concatenate([Gallery(1).round(0, number).item for number in range(50)])
    assert all(len(set(row)) == 10 for row in shown.tolist())
    count = np.bincount(shown.ravel(), minlength=100)
    assert count[:10].sum() > 3 * count[-10:].sum()


def test_variants_differ_for_all_and_for_some_and_the_best_one_pays() -> None:
    gallery = Gallery(1)
    assert gallery.added.shape == (100, VARIANTS, len(SEGMENTS))
    assert gallery.added.std() == pytest.approx(np.hypot(FOR_ALL, FOR_SOME), rel=0.1)
    chance = np.concatenate([gallery.round(0, number).chance for number in range(50)])
    assert chance.max(axis=2).mean() > 1.25 * chance.mean()


def test_the_ranker_sees_the_chance_with_an_error_and_without_the_variant() -> None:
    shows = [Gallery(1).round(0, number) for number in range(50)]
    expected = np.concatenate([one.expected.ravel() for one in shows])
    true = np.concatenate([one.chance.mean(axis=2).ravel() for one in shows])
    assert 0.6 < np.corrcoef(expected, true)[0, 1] < 0.98
