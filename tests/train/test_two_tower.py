"""Do the towers learn what comes next, go on where they were stopped, and know an item by its content alone?"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from towers import LONG, SMALL, walks

from foryou.domain.errors import Invalid, Unavailable
from foryou.models.tower import Tower
from foryou.train import two_tower
from foryou.train.two_tower import loss

LEARNED = replace(SMALL, vectors=32, width=32, epochs=40, rate=0.01, dropout=0.0)


def after(tower: Tower, walk: list[int], who: list[int] | None = None) -> np.ndarray:
    history = np.array([walk], np.int32).reshape(1, -1)
    users = tower.users(history, np.array([len(walk)], np.int32), tower.start([who or []]))
    return np.asarray(users[0] @ tower.vectors.T)


def test_the_next_item_of_a_walk_is_learned() -> None:
    tower = Tower(two_tower.fit(walks(), LEARNED))
    for ring in range(4):
        walk = [1 + ring * LONG + step for step in (2, 3, 4)]
        assert np.argmax(after(tower, walk)[1:]) + 1 == walk[-1] + 1


def test_who_a_user_is_tells_where_an_empty_history_begins() -> None:
    tower = Tower(two_tower.fit(walks(), LEARNED))
    for ring in range(4):
        scores = after(tower, [], [200 + ring])
        assert (np.argmax(scores[1:])) // LONG == ring


def test_an_item_nobody_chose_has_the_vector_of_its_terms() -> None:
    unseen = 5
    arrays = two_tower.fit(walks(unseen=(unseen,)), LEARNED)
    tower = Tower(arrays)
    assert np.array_equal(tower.vectors[unseen], tower.described(np.array([100], np.uint32), np.array([0, 1]))[0])
    scores = after(tower, [2, 3, 4])
    assert scores[unseen] > scores[1 + LONG :].mean() + scores[1 + LONG :].std()


@pytest.mark.parametrize(("negatives", "hard"), [(4_096, 0), (20, 0), (20, 5)])
def test_a_run_that_was_killed_ends_with_the_same_bits(  # type: ignore[no-untyped-def]
    negatives: int, hard: int, tmp_path: Path, monkeypatch
) -> None:
    settings, file = replace(SMALL, negatives=negatives, hard=hard), tmp_path / "towers.npz"
    whole = two_tower.fit(walks(), settings)
    monkeypatch.setattr("foryou.train.two_tower.loop.SAVE_EVERY_S", 0.0)

    def killed(done: int, total: int) -> None:
        if done == total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        two_tower.fit(walks(), settings, file, killed)
    assert file.exists()
    steps = []
    again = two_tower.fit(walks(), settings, file, lambda done, total: steps.append(done))
    assert steps[0] > 1
    two_tower.fit(walks(), settings, file, lambda done, total: pytest.fail("it was done already"))
    assert {name: array.tobytes() for name, array in again.items()} == {
        name: array.tobytes() for name, array in whole.items()
    }


def test_a_checkpoint_of_another_training_is_not_taken_up(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("foryou.train.two_tower.loop.SAVE_EVERY_S", 0.0)
    file = tmp_path / "towers.npz"

    def killed(done: int, total: int) -> None:
        if done == total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        two_tower.fit(walks(), SMALL, file, killed)
    other = replace(SMALL, seed=4)
    again = two_tower.fit(walks(), other, file)
    whole = two_tower.fit(walks(), other)
    assert again["vectors"].tobytes() == whole["vectors"].tobytes()


def test_the_sample_stands_for_all_items_on_average() -> None:
    random = np.random.default_rng(5)
    items = 500
    share = np.append(0, random.dirichlet(np.full(items, 0.3)))
    score = np.append(0, random.normal(size=items))
    all_of_them = np.exp(score[1:]).sum()
    sums = []
    for _ in range(400):
        target = random.choice(items + 1, 64, p=share).astype(np.int32)
        sample = loss.drawn(target, share, 100, random)
        sample = loss.with_hard(sample, np.array([3, 77], np.int32))
        assert sample.weight is not None
        sums.append(float(np.exp(score[sample.item] + sample.weight).sum()))
    assert abs(np.mean(sums) - all_of_them) < 4 * np.std(sums) / len(sums) ** 0.5


@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_and_its_gradient_are_those_of_pytorch(weighted: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    users = torch.randn(700, 8, generator=generator).requires_grad_()
    vectors = torch.randn(40, 8, generator=generator).requires_grad_()
    place = torch.randint(40, (700,), generator=generator)
    weight = torch.rand(40, generator=generator) if weighted else None
    found = loss.softmax_loss(torch, users, vectors, place, weight)
    ours = users.grad.clone(), vectors.grad.clone()  # type: ignore[union-attr]
    users.grad = vectors.grad = None
    score = users @ vectors.T
    if weight is not None:
        score = score + torch.where(torch.arange(40) == place[:, None], 0.0, weight)
    expected = torch.nn.functional.cross_entropy(score, place)
    expected.backward()
    assert abs(found - expected.item()) < 1e-5
    assert torch.allclose(ours[0], users.grad, atol=1e-6)
    assert torch.allclose(ours[1], vectors.grad, atol=1e-6)


def test_hard_ones_are_those_most_like_what_was_chosen() -> None:
    pool = np.array([4, 7, 9], np.int32)
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.9, 0.1]])
    assert loss.hardest(torch, torch.tensor([[1.0, 0.0]]), vectors, pool, 2).tolist() == [4, 9]


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(Invalid, match="3 heads do not divide a width of 8"):
        two_tower.fit(walks(), replace(SMALL, heads=3))


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_a_gpu_that_is_not_there_is_named() -> None:
    with pytest.raises(Unavailable, match="PyTorch finds no GPU"):
        two_tower.fit(walks(), replace(SMALL, device="cuda"))
