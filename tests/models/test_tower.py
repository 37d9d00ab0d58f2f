"""Is the user tower of the serving process that of the training, to within 1e-4?"""

import numpy as np
import pytest
import torch

from foryou.models.tower import Tower
from foryou.train.two_tower.towers import Asked, Bags, Shape, Towers, initial

SHAPE = Shape(items=200, terms=7, people=5, vectors=24, width=16, blocks=3, heads=2, wide=2, window=30)


def random_arrays(seed: int, shape: Shape = SHAPE) -> dict[str, np.ndarray]:
    """Give parameters as they may be after training: nothing is 0 or 1 any more."""
    random = np.random.default_rng(seed)
    arrays = initial(shape, seed)
    arrays = {name: (one + random.normal(0, 0.2, one.shape)).astype(np.float32) for name, one in arrays.items()}
    arrays["vectors"] = random.normal(0, 0.5, (shape.items + 1, shape.vectors)).astype(np.float32)
    arrays["vectors"][0] = 0
    arrays |= {"term_names": np.arange(shape.terms, dtype=np.uint32), "window": np.array([shape.window]),
               "people_names": np.arange(shape.people, dtype=np.uint32)}  # fmt: skip
    return arrays


def by_torch(arrays: dict[str, np.ndarray], walk: np.ndarray, people: list[int]) -> np.ndarray:
    parameters = {name: torch.from_numpy(one) for name, one in arrays.items() if one.dtype == np.float32}
    towers = Towers(torch, parameters)
    bags = Bags(torch.tensor(people, dtype=torch.int64), torch.zeros(1, dtype=torch.int64))
    with torch.no_grad():
        states = towers.users(Asked(torch.from_numpy(walk.astype(np.int64))[None], bags), parameters["vectors"])
        return np.asarray((states[0, -1] @ parameters["outward"].T).numpy())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("long", [0, 1, 2, 3, 17, 30, 45])
def test_the_vector_is_that_of_pytorch(seed: int, long: int) -> None:
    arrays, random = random_arrays(seed), np.random.default_rng(100 + seed)
    tower = Tower(arrays)
    walk = random.integers(1, SHAPE.items + 1, long).astype(np.int32)
    people = random.choice(SHAPE.people, 2, replace=False).tolist()
    found = tower.users(walk[None], np.array([long], np.int32), tower.start([people]))[0]
    assert np.abs(found - by_torch(arrays, walk[-SHAPE.window :], people)).max() < 1e-4


def test_a_user_has_the_same_bits_alone_and_in_a_batch() -> None:
    tower, random = Tower(random_arrays(9)), np.random.default_rng(3)
    length = np.array([0, 4, 30, 11, 1], np.int32)
    history = np.where(np.arange(30) < length[:, None], random.integers(1, 201, (5, 30)), 0).astype(np.int32)
    start = tower.start([[], [1], [0, 4], [2], [3]])
    whole = tower.users(history, length, start)
    for row in range(5):
        alone = tower.users(history[row : row + 1], length[row : row + 1], start[row : row + 1])
        assert np.array_equal(alone[0], whole[row])
