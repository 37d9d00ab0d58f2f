"""Are the benchmark's vectors the same ones each time, wherever they are made?"""

import importlib.util
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest

from foryou.simulate import vectors as made
from foryou.simulate.vectors import Shape, Vectors, vectors

SMALL = Shape(items=3_000, users=50, width=16, seed=11)
ORIGINAL = Path(__file__).resolve().parents[3] / "shared" / "bench" / "vectors.py"


@pytest.fixture(scope="module")
def small() -> Vectors:
    return vectors(SMALL)


def weighed(array: np.ndarray) -> float:
    """Give one figure in which every value counts differently."""
    return float(np.sum(np.asarray(array, np.float64).ravel() * np.cos(np.arange(array.size))))


def test_the_arrays_are_those_that_were_measured_with(small: Vectors) -> None:
    # Exact where only draws count; sums where another processor may round the last bit differently.
    order = np.argsort(small.popularity).astype("<i8").tobytes()
    assert blake2b(order, digest_size=8).hexdigest() == "a67ce34b55d3f58b"
    assert weighed(small.item) == pytest.approx(-44.222454, rel=1e-4)
    assert weighed(small.user) == pytest.approx(-2.441141, rel=1e-4)


def test_the_arrays_are_equal_to_those_of_the_script_that_the_published_figures_used(small: Vectors) -> None:
    if not ORIGINAL.is_file():
        pytest.skip(f"no {ORIGINAL}; the stored sums are compared instead")
    spec = importlib.util.spec_from_file_location("original", ORIGINAL)
    assert spec is not None
    assert spec.loader is not None
    original = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(original)
    item, user, popularity = original.world(SMALL.items, SMALL.users, SMALL.width, SMALL.seed)
    assert np.array_equal(item, small.item)
    assert np.array_equal(user, small.user)
    assert np.array_equal(popularity, small.popularity)


def test_shapes_and_types_are_as_promised(small: Vectors) -> None:
    assert (small.item.shape, small.item.dtype) == ((3_000, 16), np.float32)
    assert (small.user.shape, small.user.dtype) == ((50, 16), np.float32)
    assert (small.popularity.shape, small.popularity.dtype) == ((3_000,), np.float64)
    assert small.popularity.sum() == pytest.approx(1)
    assert vectors(Shape(600, 5, 8, dtype="float16")).item.dtype == np.float16


def test_popular_items_are_longer(small: Vectors) -> None:
    length = np.linalg.norm(small.item, axis=1)
    order = np.argsort(small.popularity)
    assert length[order[-500:]].mean() > 1.5 * length[order[:500]].mean()


def test_users_lie_nearer_to_popular_items_than_to_others(small: Vectors) -> None:
    nearest = (small.user @ small.item.T).argmax(axis=1)
    assert small.popularity[nearest].mean() > 3 * small.popularity.mean()


def test_another_seed_gives_other_vectors_and_a_knob_changes_what_it_names() -> None:
    base = vectors(Shape(600, 5, 8))
    assert not np.array_equal(base.item, vectors(Shape(600, 5, 8, seed=8)).item)
    even = vectors(Shape(600, 5, 8, norm_spread=0.0))
    assert np.linalg.norm(even.item, axis=1) == pytest.approx(1, rel=1e-5)
    tight = vectors(Shape(600, 5, 8, norm_spread=0.0, overlap=0.0))
    assert len(np.unique(tight.item.round(5), axis=0)) <= 50


def test_with_a_folder_the_same_arrays_are_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(made, "CHUNK", 250)  # several chunks
    shape = Shape(600, 5, 8)
    memory = vectors(shape)
    vectors(shape, tmp_path)
    for name, array in (("items", memory.item), ("users", memory.user), ("popularity", memory.popularity)):
        assert np.array_equal(np.load(tmp_path / f"{name}.npy", mmap_mode="r"), array)
