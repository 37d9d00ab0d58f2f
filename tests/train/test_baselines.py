"""Are the baselines what they are called, and is each judged in its best setting?"""

import numpy as np
import pytest
from tables import checkerboard, table

import oracles
from foryou.models.foldin import rotated
from foryou.train import als, baselines, item_item, replay
from foryou.train.baselines import Baseline, candidates, tuned
from foryou.train.metrics import ndcg_of_rank

LOG, LIKES = checkerboard(30, 20)
HISTORY = np.array([[3, 1, 7, 0], [2, 0, 0, 0], [0, 0, 0, 0]], np.int32)
TASTE = np.array([[1, -1, 0.5, 0], [1, 0, 0, 0], [0, 0, 0, 0]], np.float32)


def scores(name: str, place: int = 0) -> np.ndarray:
    return candidates()[name][place].fit(LOG)(HISTORY, TASTE)


def test_popularity_says_the_same_to_everybody() -> None:
    found = scores("popularity")
    count = np.bincount(LOG.item, minlength=21)
    assert found.tolist() == [count.tolist()] * 3


@pytest.mark.parametrize(("name", "last"), [("ease", 100), ("ease_last_20", 20)])
def test_ease_adds_the_rows_of_the_newest_items_each_counting_one(name: str, last: int) -> None:
    links = item_item.ease(LOG, item_item.EaseSettings(100))
    found = scores(name)
    np.testing.assert_allclose(found[0], links[3] + links[1] + links[7], atol=1e-5)
    long = np.tile(np.array([[3]], np.int32), (1, 101))
    long[0, last:] = 5
    fitted = candidates()[name][0].fit(LOG)
    np.testing.assert_allclose(fitted(long, long.astype(np.float32))[0], last * links[3], rtol=1e-4, atol=1e-4)


def test_neighbours_are_weighed_by_shrunk_cosine() -> None:
    x = np.zeros((30, 21))
    x[LOG.user, LOG.item] = 1
    gram = x.T @ x
    norm = np.sqrt(np.diag(gram))
    links = gram / (norm[:, None] * norm + 10)
    np.fill_diagonal(links, 0)
    np.testing.assert_allclose(scores("item_knn")[0], links[3] + links[1] + links[7], atol=1e-5)


def test_als_folds_the_history_in() -> None:
    settings = als.AlsSettings(regularisation=0.02, power=1.0, unobserved=0.1)
    vectors, _ = rotated(als.factorise(LOG, settings))
    ridge = 0.02 * (3 + 0.1 * 20)
    user = oracles.fold_in(vectors, [3, 1, 7], [1, 1, 1], [1, 1, 1], 0.1, ridge)
    np.testing.assert_allclose(scores("als_fold_in")[0], vectors @ user, atol=1e-4)


@pytest.mark.parametrize("name", candidates())
def test_who_has_no_history_gets_what_is_popular(name: str) -> None:
    assert scores(name)[2].tolist() == scores("popularity")[0].tolist()


def test_every_baseline_but_popularity_is_tried_in_as_many_settings() -> None:
    tries = {name: len(some) for name, some in candidates().items()}
    assert tries.pop("popularity") == 1
    assert set(tries.values()) == {baselines.TRIES}
    for name, some in candidates().items():
        assert {one.name for one in some} == {name}
        assert len({str(one.settings) for one in some}) == len(some)


def test_each_baseline_is_given_in_the_setting_that_did_best_on_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    log = table([(user, item, 1.0) for item in range(1, 9) for user in range(4)], 8)
    fitted_on: list[int] = []

    def always(best: int) -> Baseline:
        def fit(part: replay.Interactions) -> baselines.Score:
            fitted_on.append(len(part))
            return lambda history, taste: np.tile(-np.abs(np.arange(9) - best), (len(history), 1)).astype(np.float32)

        return Baseline("guess", {"best": best}, fit)

    tries = {"guess": [always(8), always(6), always(1)], "alone": [always(7)]}
    monkeypatch.setattr(baselines, "candidates", lambda: tries)
    told: list[tuple[int, int]] = []
    guess, alone = tuned(log, 20, lambda done, total: told.append((done, total)))
    assert guess.baseline.settings == {"best": 6}
    assert alone.baseline.settings == {"best": 7}
    assert np.isnan(alone.validation_ndcg)
    expected = ndcg_of_rank(replay.ranks(replay.window(log, 20, 32), always(6).fit(log.part(0, 20)))).mean()
    assert guess.validation_ndcg == expected
    assert set(fitted_on) == {20}
    assert told[-1] == (4, 4)


def test_on_a_checkerboard_every_baseline_but_popularity_finds_the_own_colour() -> None:
    history = np.zeros((2, 6), np.int32)
    for user in range(2):
        history[user] = LOG.item[LOG.user == user][:6]
    for name, some in candidates().items():
        found = some[0].fit(LOG)(history, np.ones(history.shape, np.float32))
        for user in range(2):
            fresh = np.setdiff1d(np.arange(1, 21), history[user])
            mine = LIKES[user, fresh]
            better = found[user, fresh][mine].min() > found[user, fresh][~mine].max()
            assert better == (name != "popularity"), name
