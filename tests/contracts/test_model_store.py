"""What does every model store promise?"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import obstore
import pytest
from backends import Backend, objects, rewrite

from foryou.domain.bundle import Gate, Manifest, ModelBundle
from foryou.domain.catalog import ARRAYS, Catalog, build
from foryou.domain.errors import Conflict, Invalid, NotFound, Refused, Unavailable
from foryou.domain.item import Item, ItemChange
from foryou.domain.ports import ModelStore
from foryou.domain.release import Release

ARRAYS_OF_ALL_KINDS = {
    "factors": np.arange(12, dtype=np.float32).reshape(4, 3),
    "half": np.ones((2, 2), np.float16),
    "columns": np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
    "strided": np.arange(20, dtype=np.int64)[::3],
    "flags": np.array([True, False]),
    "empty": np.zeros((0, 5), np.float32),
    "number": np.array(2.5),
    "hash": np.array([2**64 - 1], np.uint64),
    "dotted.name": np.zeros(1, np.uint8),
}


def bundle(version: str, created_ms: int = 1, **arrays: np.ndarray) -> ModelBundle:
    manifest = Manifest(
        version=version, family="main", created_ms=created_ms, schema="s", catalog="c1", through={0: 7, 3: -1},
        settings={"decay": 0.5}, gate=Gate("pass", "better", {"ndcg": 0.1}), report={"auc": 0.9},
    )  # fmt: skip
    return ModelBundle(manifest, arrays or {"factors": np.arange(100, dtype=np.float32)})


def small_catalog(version: str = "c1", title: str = "Ä") -> Catalog:
    items = [Item(item_id="a", title=title, categories=("x",), price=2.5), Item(item_id="bb", status="hidden")]
    return build(items, version, {0: 5, 1: 9})


def test_a_bundle_is_loaded_as_it_was_published(models: ModelStore, models_backend: Backend, tmp_path: Path) -> None:
    index = tmp_path / "some.file"
    index.write_bytes(b"an index" * 1000)
    published = ModelBundle(bundle("v1").manifest, ARRAYS_OF_ALL_KINDS, {"index.faiss": index})
    assert models.publish(published) == "v1"
    for client in (models, models_backend.open()):
        loaded = client.load("v1")
        assert len(loaded.manifest.checksums) == len(ARRAYS_OF_ALL_KINDS) + 1
        assert msgspec.structs.replace(loaded.manifest, checksums={}) == published.manifest
        assert set(loaded.files) == {"index.faiss"}
        assert loaded.files["index.faiss"].read_bytes() == index.read_bytes()
        assert set(loaded.arrays) == set(ARRAYS_OF_ALL_KINDS)
        for name, array in ARRAYS_OF_ALL_KINDS.items():
            assert (loaded.arrays[name].dtype, loaded.arrays[name].shape) == (array.dtype, array.shape)
            assert loaded.arrays[name].tolist() == array.tolist()


def test_loaded_arrays_are_mapped_and_read_only(models: ModelStore) -> None:
    models.publish(bundle("v1"))
    factors = models.load("v1").arrays["factors"]
    assert type(factors) is np.ndarray
    assert isinstance(factors.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        factors[0] = 1


def test_an_unknown_version_is_not_found(models: ModelStore) -> None:
    with pytest.raises(NotFound, match=r"there is no bundles/v9 in .*; `foryou models list` shows what is"):
        models.load("v9")
    with pytest.raises(NotFound, match="there is no catalogs/c9 in"):
        models.load_catalog("c9")


def test_a_version_is_never_overwritten(models: ModelStore) -> None:
    models.publish(bundle("v1", factors=np.zeros(5)))
    with pytest.raises(Conflict, match="bundles/v1 exists already and is never overwritten; choose another version"):
        models.publish(bundle("v1", factors=np.ones(5)))
    assert models.load("v1").arrays["factors"].tolist() == [0] * 5
    assert models.sweep(0) == 0  # the loser left nothing


def test_of_two_that_publish_one_version_one_wins_and_its_bundle_is_whole(
    models: ModelStore, models_backend: Backend
) -> None:
    clients = [models_backend.open() for _ in range(4)]

    def publish(number: int) -> int:
        try:
            clients[number].publish(bundle("v1", first=np.full(50_000, number), second=np.full(50_000, number)))
        except Conflict:
            return 0
        return 1

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(publish, range(4))) == 1
    arrays = models.load("v1").arrays
    assert arrays["first"].min() == arrays["first"].max() == arrays["second"].min() == arrays["second"].max()


def test_versions_are_listed_oldest_first(models: ModelStore, tmp_path: Path) -> None:
    assert models.versions() == []
    index = tmp_path / "some.file"
    index.write_bytes(b"{}")
    for version, created_ms in (("a", 30), ("c", 10), ("b", 20)):
        models.publish(ModelBundle(bundle(version, created_ms).manifest, {}, {"manifest.json": index}))
    models.publish_catalog(small_catalog())
    assert [manifest.version for manifest in models.versions()] == ["c", "b", "a"]
    assert models.versions()[0] == models.load("c").manifest


def test_a_half_written_bundle_is_invisible_and_does_not_stand_in_the_way(models: ModelStore, tmp_path: Path) -> None:
    broken = ModelBundle(bundle("v1").manifest, {"factors": np.zeros(5)}, {"index": tmp_path / "missing"})
    with pytest.raises(Unavailable, match=r"No such file or directory.*; check that it is there and may be written"):
        models.publish(broken)
    assert models.versions() == []
    with pytest.raises(NotFound):
        models.load("v1")
    models.publish(bundle("v1", factors=np.ones(5)))
    assert models.load("v1").arrays["factors"].tolist() == [1] * 5


def test_what_was_left_half_written_is_swept_once_it_is_old(models: ModelStore, tmp_path: Path) -> None:
    models.publish(bundle("v1"))
    models.publish_catalog(small_catalog())
    models.replace_release(Release(1, {"main": (("v1", 1.0),)}), 0)
    for version in ("v1", "v2"):
        with pytest.raises(Unavailable):
            models.publish(
                ModelBundle(bundle(version).manifest, {"factors": np.zeros(5)}, {"index": tmp_path / "missing"})
            )
    assert models.sweep() == 0
    swept = models.sweep(0)
    assert swept >= 2
    assert models.sweep(0) == 0
    assert [manifest.version for manifest in models.versions()] == ["v1"]
    assert models.load("v1").arrays["factors"].tolist() == list(range(100))
    assert len(models.load_catalog("c1")) == 2
    assert models.release() == Release(1, {"main": (("v1", 1.0),)})


def test_a_bundle_that_nobody_understands_is_not_swept(models: ModelStore, models_backend: Backend) -> None:
    models.publish(bundle("v1"))
    original = []
    rewrite(models_backend, "bundles/v1/manifest.json", lambda body: original.append(body) or b"{")
    assert models.sweep(0) == 0
    rewrite(models_backend, "bundles/v1/manifest.json", lambda _: original[0])
    assert models.load("v1").arrays["factors"].tolist() == list(range(100))


@pytest.mark.parametrize(
    "edit",
    [
        lambda body: body[:-1],
        lambda _: b"",
        lambda body: body[:-1] + bytes([body[-1] ^ 1]),
        lambda body: body + b"x",
    ],
    ids=["one byte short", "empty", "one bit turned", "one byte more"],
)
def test_a_damaged_array_is_refused_with_both_checksums(
    models: ModelStore, models_backend: Backend, edit: Callable[[bytes], bytes]
) -> None:
    models.publish(bundle("v1"))
    expected = next(iter(models.load("v1").manifest.checksums.values()))
    rewrite(models_backend, "factors.npy", edit)
    with pytest.raises(
        Refused, match=rf"factors\.npy is damaged: its checksum is [0-9a-f]+, the manifest says {expected};"
    ):
        models_backend.open().load("v1")


def test_a_missing_array_is_refused(models: ModelStore, models_backend: Backend) -> None:
    models.publish(bundle("v1"))
    obstore.delete(objects(models_backend.at), rewrite(models_backend, "factors.npy", lambda body: body))
    with pytest.raises(Refused, match=r"has no bundles/v1/\w+/factors\.npy, though the manifest names it"):
        models_backend.open().load("v1")


@pytest.mark.parametrize("body", [b"", b"{", b'{"format": 1, "checksums": {}}'], ids=["empty", "cut", "incomplete"])
def test_a_damaged_manifest_is_refused(models: ModelStore, body: bytes, models_backend: Backend) -> None:
    models.publish(bundle("v1"))
    rewrite(models_backend, "bundles/v1/manifest.json", lambda _: body)
    with pytest.raises(Refused, match=r"bundles/v1/manifest\.json is damaged: .*; publish it anew"):
        models.load("v1")


def test_a_bundle_of_another_format_is_refused(models: ModelStore, models_backend: Backend) -> None:
    models.publish(bundle("v1"))
    rewrite(models_backend, "bundles/v1/manifest.json", lambda _: b'{"format": 2, "checksums": {}, "new": "shape"}')
    with pytest.raises(Refused, match="bundles/v1 has format 2, this program reads 1; train it anew"):
        models.load("v1")


@pytest.mark.parametrize("version", ["", "..", "a/b", ".hidden", "white space", "ünicode"])
def test_a_version_must_be_a_plain_name(models: ModelStore, version: str) -> None:
    for call in (models.publish, models.load, models.load_catalog):
        with pytest.raises(Invalid, match=r"version: '.*' cannot be a file's name; use letters, digits and"):
            call(bundle(version) if call == models.publish else version)
    with pytest.raises(Invalid, match=r"version: '.*' cannot be a file's name"):
        models.publish_catalog(small_catalog(version))


def test_parts_of_a_bundle_must_be_what_can_be_mapped(models: ModelStore, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"array: '../evil' cannot be a file's name"):
        models.publish(bundle("v1", **{"../evil": np.zeros(1)}))
    with pytest.raises(Invalid, match="array: names holds Python objects; make it numbers or bytes"):
        models.publish(bundle("v1", names=np.array([{}])))
    with pytest.raises(Invalid, match=r"file: index\.npy would be read as an array; give it to the bundle as one"):
        models.publish(ModelBundle(bundle("v1").manifest, {}, {"index.npy": tmp_path / "index"}))
    assert models.versions() == []


def test_a_catalog_is_loaded_as_it_was_published_and_mapped(models: ModelStore, models_backend: Backend) -> None:
    catalog = small_catalog()
    assert models.publish_catalog(catalog) == "c1"
    loaded = models_backend.open().load_catalog("c1")
    assert (loaded.version, loaded.position, len(loaded)) == ("c1", {0: 5, 1: 9}, 2)
    for name in ("hash", "price", "created_ms", "expires_ms", "available", "category", "order"):
        assert getattr(loaded, name).dtype == getattr(catalog, name).dtype
        assert getattr(loaded, name).tolist() == getattr(catalog, name).tolist()
        assert isinstance(getattr(loaded, name).base, np.memmap)
    assert [loaded.id_of(number) for number in (1, 2)] == ["a", "bb"]
    assert [loaded.title_of(number) for number in (1, 2)] == ["Ä", "bb"]
    assert loaded.category_name(1) == "x"
    assert loaded.number("bb") == 2
    assert loaded.extended([ItemChange(item_id="c", op="put")], {0: 6}).number("c") == 3


def test_all_arrays_of_a_catalog_are_stored(models: ModelStore, models_backend: Backend) -> None:
    models.publish_catalog(small_catalog())
    stored = [meta["path"] for some in obstore.list(objects(models_backend.at), "catalogs") for meta in some]
    assert sorted(name.split("/")[-1] for name in stored) == sorted(
        [*(f"{name}.npy" for name in ARRAYS), "manifest.json"]
    )


def test_the_same_catalog_again_changes_nothing_and_another_is_a_conflict(models: ModelStore) -> None:
    assert models.publish_catalog(small_catalog()) == models.publish_catalog(small_catalog()) == "c1"
    with pytest.raises(Conflict, match="catalogs/c1 exists already"):
        models.publish_catalog(small_catalog(title="B"))
    assert models.load_catalog("c1").title_of(1) == "Ä"


def test_a_catalog_with_changes_on_top_is_not_published(models: ModelStore) -> None:
    newer = small_catalog().extended([ItemChange(item_id="a", op="patch", title="C")], {0: 6})
    with pytest.raises(Invalid, match="catalog: c1 has changes above its mapped part; build it from the item store"):
        models.publish_catalog(newer)


def test_a_damaged_catalog_is_refused(models: ModelStore, models_backend: Backend) -> None:
    models.publish_catalog(small_catalog())
    rewrite(models_backend, "ids.npy", lambda body: body[:-1])
    with pytest.raises(Refused, match=r"ids\.npy is damaged"):
        models_backend.open().load_catalog("c1")


def test_a_catalog_of_another_release_is_refused_with_the_arrays_it_lacks(
    models: ModelStore, models_backend: Backend
) -> None:
    models.publish_catalog(small_catalog())

    def older(body: bytes) -> bytes:
        manifest = msgspec.json.decode(body)
        manifest["checksums"] = {k: v for k, v in manifest["checksums"].items() if not k.endswith("order.npy")}
        return msgspec.json.encode(manifest)

    rewrite(models_backend, "catalogs/c1/manifest.json", older)
    with pytest.raises(Refused, match="catalog c1 was written by another release of foryou, it has no order; train"):
        models_backend.open().load_catalog("c1")


def test_a_store_that_cannot_be_reached_says_so(models_backend: Backend, tmp_path: Path) -> None:
    (tmp_path / "models").write_bytes(b"a file where the folder should be")
    where = models_backend.unplugged() if models_backend.at.url else models_backend
    with pytest.raises(Unavailable, match=r"://.*: .*; check that it is there and may be written, then try again"):
        where.open().versions()
