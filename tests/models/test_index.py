"""Are the best items found, and is what is found scored with the real vectors?"""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from foryou.models import index
from foryou.models.index import Built, Exact, InvertedFile, build

ITEMS, WIDTH = 50_000, 32


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    """Give vectors in 200 overlapping clusters, as those of items are."""
    random = np.random.default_rng(5)
    centre = random.normal(0, 1, (200, WIDTH))
    found = centre[random.integers(0, 200, ITEMS + 1)] + random.normal(0, 0.6, (ITEMS + 1, WIDTH))
    found[0] = 0
    return found.astype(np.float32)


@pytest.fixture(scope="module")
def users(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    random = np.random.default_rng(6)
    return vectors[random.integers(1, ITEMS, (60, 5))].mean(axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def file(vectors: NDArray[np.float32], users: NDArray[np.float32], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("index") / "index.faiss"
    built = build(vectors, users, path, threads=1)
    path.with_suffix(".probes").write_text(f"{built.probes} {built.recall_at_20}")
    return path


@pytest.fixture(scope="module")
def built(file: Path) -> Built:
    probes, recall = file.with_suffix(".probes").read_text().split()
    return Built(int(probes), float(recall))


def best(vectors: NDArray[np.float32], user: NDArray[np.float32], n: int) -> list[int]:
    return (np.argsort(-(vectors[1:] @ user), kind="stable")[:n] + 1).tolist()


def test_an_exact_scan_finds_the_best_items_with_their_products(
    vectors: NDArray[np.float32], users: NDArray[np.float32]
) -> None:
    item, score = Exact(vectors).search(users[:8], 50)
    for b in range(8):
        assert set(item[b].tolist()) == set(best(vectors, users[b], 50))
        np.testing.assert_allclose(score[b], vectors[item[b]] @ users[b], rtol=1e-5, atol=1e-4)


def test_an_exact_scan_never_finds_nobody_and_gives_what_there_is() -> None:
    few = np.array([[0, 0], [-1, 0], [-2, 0]], np.float32)
    item, score = Exact(few).search(np.array([[1, 0]], np.float32), 10)
    assert sorted(zip(item[0].tolist(), score[0].tolist(), strict=True)) == [(1, -1.0), (2, -2.0)]
    nobody = Exact(few[:1]).search(np.ones((2, 2), np.float32), 5)
    assert nobody[0].shape == nobody[1].shape == (2, 0)


def test_the_inverted_file_reaches_its_recall_with_the_probes_that_it_chose(
    vectors: NDArray[np.float32], users: NDArray[np.float32], file: Path, built: Built
) -> None:
    assert built.recall_at_20 >= index.RECALL_TARGET
    item, _ = InvertedFile(file, vectors, built.probes).search(users, 100)
    found = [len(set(row.tolist()) & set(best(vectors, user, 20))) for row, user in zip(item, users, strict=True)]
    assert np.mean(found) / 20 == pytest.approx(built.recall_at_20)


def test_what_the_inverted_file_finds_has_exact_scores(
    vectors: NDArray[np.float32], users: NDArray[np.float32], file: Path, built: Built
) -> None:
    item, score = InvertedFile(file, vectors, built.probes).search(users, 100)
    assert (item > 0).all()
    np.testing.assert_allclose(score, np.einsum("bnd,bd->bn", vectors[item], users), rtol=1e-4, atol=1e-4)


def test_the_inverted_file_gives_a_query_the_same_alone_and_in_a_batch(
    vectors: NDArray[np.float32], users: NDArray[np.float32], file: Path, built: Built
) -> None:
    searcher = InvertedFile(file, vectors, built.probes)
    item, score = searcher.search(users[:40], 64)
    for b in range(40):
        alone = searcher.search(users[b : b + 1], 64)
        assert alone[0].tobytes() == item[b : b + 1].tobytes()
        assert alone[1].tobytes() == score[b : b + 1].tobytes()


def test_places_that_nothing_was_found_for_hold_nobody(vectors: NDArray[np.float32], file: Path) -> None:
    item, score = InvertedFile(file, vectors, 1).search(vectors[7:8], 5_000)
    assert (item[0] == 0).any()
    assert not score[item == 0].any()


def test_a_file_built_twice_is_the_same_file(
    vectors: NDArray[np.float32], users: NDArray[np.float32], tmp_path: Path
) -> None:
    few = vectors[:3_000]
    found = [build(few, users, tmp_path / str(turn), threads=1) for turn in range(2)]
    assert found[0] == found[1]
    assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes()
