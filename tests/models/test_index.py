"""Are the best items found, whatever finds them, and is what is found scored with the real vectors?"""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from foryou.domain.errors import Refused
from foryou.models import index
from foryou.models.index import Built, Exact, Hnsw, Index, InvertedFile, build, inverted, opened

ITEMS, WIDTH = 50_000, 32
Vectors = NDArray[np.float32]


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    """Give vectors in 200 overlapping clusters, as those of items are, of spread lengths."""
    random = np.random.default_rng(5)
    centre = random.normal(0, 1, (200, WIDTH))
    found = centre[random.integers(0, 200, ITEMS + 1)] + random.normal(0, 0.6, (ITEMS + 1, WIDTH))
    found *= np.exp(random.normal(0, 0.3, (ITEMS + 1, 1)))
    found[0] = 0
    return found.astype(np.float32)


@pytest.fixture(scope="module")
def users(vectors: Vectors) -> Vectors:
    random = np.random.default_rng(6)
    return vectors[random.integers(1, ITEMS, (60, 5))].mean(axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def built(vectors: Vectors, users: Vectors, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Built]:
    folder = tmp_path_factory.mktemp("index")
    return {kind: build(vectors, users, folder / "index", kind, threads=1) for kind in ("ivf", "hnsw")}


@pytest.fixture(params=["exact", "ivf", "hnsw"])
def searched(request: pytest.FixtureRequest, vectors: Vectors, built: dict[str, Built]) -> Index:
    """Give each kind of index over the same vectors."""
    if request.param == "exact":
        return Exact(vectors)
    one = built[request.param]
    return opened("index", {one.file.name: one.file}, vectors, one.figures("index"))


def best(vectors: Vectors, user: Vectors, n: int) -> list[int]:
    return (np.argsort(-(vectors[1:] @ user), kind="stable")[:n] + 1).tolist()


def test_an_exact_scan_finds_the_best_items_with_their_products(vectors: Vectors, users: Vectors) -> None:
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


@pytest.mark.parametrize("n", [20, 100])
def test_the_exact_top_20_are_found_as_often_as_was_asked(
    searched: Index, vectors: Vectors, users: Vectors, n: int
) -> None:
    item, _ = searched.search(users[1::2], n)
    found = [len(set(row.tolist()) & set(best(vectors, user, 20))) for row, user in zip(item, users[1::2], strict=True)]
    assert np.mean(found) / 20 >= index.RECALL_TARGET


def test_what_was_measured_is_what_is_found(vectors: Vectors, users: Vectors, built: dict[str, Built]) -> None:
    one = built["ivf"]
    item, _ = InvertedFile(one.file, vectors, one.effort).search(users[1::2], index.DEPTH)
    for top, said in ((20, one.recall_at_20), (index.DEPTH, one.recall_at_500)):
        found = [
            len(set(row.tolist()) & set(best(vectors, user, top))) / top
            for row, user in zip(item, users[1::2], strict=True)
        ]
        assert np.mean(found) == pytest.approx(said)


def test_what_is_found_has_exact_scores_and_is_found_once(searched: Index, vectors: Vectors, users: Vectors) -> None:
    item, score = searched.search(users, 100)
    assert (item > 0).all()
    assert all(len(np.unique(row)) == 100 for row in item)
    np.testing.assert_allclose(score, np.einsum("bnd,bd->bn", vectors[item], users), rtol=1e-4, atol=1e-4)


def test_a_query_gives_the_same_alone_and_in_a_batch(searched: Index, users: Vectors) -> None:
    item, score = searched.search(users[:40], 64)
    for b in range(40):
        alone = searched.search(users[b : b + 1], 64)
        assert alone[0].tobytes() == item[b : b + 1].tobytes()
        assert alone[1].tobytes() == score[b : b + 1].tobytes()


@pytest.mark.parametrize("share", [0.5, 0.001])
def test_only_what_is_allowed_is_found_and_it_is_the_best_of_that(
    searched: Index, vectors: Vectors, users: Vectors, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inverted, "FEW", 1_000)
    allowed = np.random.default_rng(8).random(ITEMS + 1) < share
    item, _ = searched.search(users, 20, allowed)
    assert allowed[item].all()
    some = np.where(allowed[:, None], vectors, np.float32(0))
    found = [len(set(row.tolist()) & set(best(some, user, 20))) for row, user in zip(item, users, strict=True)]
    assert np.mean(found) / 20 >= 0.9


def test_items_above_those_that_the_index_was_built_of_are_found_at_once(
    vectors: Vectors, users: Vectors, built: dict[str, Built]
) -> None:
    more = np.concatenate([vectors, 30 * users])
    for kind, effort in (("ivf", built["ivf"].effort), ("hnsw", 500)):
        one = built[kind].file
        later: Index = InvertedFile(one, more, effort) if kind == "ivf" else Hnsw(one, more, effort)
        item, score = later.search(users, 30)
        mine = np.arange(len(users)) + ITEMS + 1
        assert (item == mine[:, None]).sum(axis=1).tolist() == [1] * len(users)
        np.testing.assert_allclose(score, np.einsum("bnd,bd->bn", more[item], users), rtol=1e-4, atol=1e-4)
        hidden = np.ones(len(more), np.bool_)
        hidden[mine] = False
        assert not np.isin(later.search(users, 30, hidden)[0], mine).any()


def test_float16_vectors_give_the_scores_of_float16(vectors: Vectors, users: Vectors, built: dict[str, Built]) -> None:
    halves = vectors.astype(np.float16)
    item, score = InvertedFile(built["ivf"].file, halves, built["ivf"].effort).search(users, 50)  # type: ignore[arg-type]
    wide = halves.astype(np.float32)[item]
    np.testing.assert_allclose(score, np.einsum("bnd,bd->bn", wide, users), rtol=1e-4, atol=1e-4)


def test_places_that_nothing_was_found_for_hold_nobody(tmp_path: Path) -> None:
    few = np.random.default_rng(4).normal(0, 1, (41, 8)).astype(np.float32)
    few[0], few[7] = 0, 0
    one = build(few, few[1:9], tmp_path / "index", threads=1)
    searched = InvertedFile(one.file, few, one.effort)
    item, score = searched.search(np.concatenate([few[3:4], -few[3:4], few[:1]]), 60)
    assert [sorted(set(row.tolist())) for row in item[:2]] == [list(range(41))] * 2
    assert not item[2].any()
    assert not score[item == 0].any()


def test_users_whom_no_item_points_towards_get_the_least_bad_ones(tmp_path: Path) -> None:
    away = -np.abs(np.random.default_rng(4).normal(1, 0.3, (3_001, 8))).astype(np.float32)
    away[0] = 0
    user = np.ones((1, 8), np.float32)
    one = build(away, user, tmp_path / "index", threads=1)
    item, _ = InvertedFile(one.file, away, one.effort).search(user, 600)
    assert set(best(away, user[0], 500)) <= set(item[0].tolist())


def test_a_file_built_twice_is_the_same_file(vectors: Vectors, users: Vectors, tmp_path: Path) -> None:
    few = vectors[:3_000]
    found = [build(few, users, tmp_path / str(turn), threads=1) for turn in range(2)]
    assert found[0].effort == found[1].effort
    assert found[0].file.read_bytes() == found[1].file.read_bytes()
    assert not list(tmp_path.glob("*.part"))


def test_many_lists_are_assigned_by_groups_and_still_found(
    vectors: Vectors, users: Vectors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inverted, "TREE_ABOVE", 200)
    one = build(vectors, users, tmp_path / "index", threads=1)
    assert one.recall_at_20 >= index.RECALL_TARGET


def test_an_index_of_an_older_release_is_refused_with_what_to_do(vectors: Vectors, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"index\.faiss of an older release of foryou; train again with `foryou train`"):
        opened("index", {"index.faiss": tmp_path / "index.faiss"}, vectors, {})
    assert isinstance(opened("other", {"index.faiss": tmp_path / "index.faiss"}, vectors, {}), Exact)
