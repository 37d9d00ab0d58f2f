"""Can a bundle be read by others? Every array is a table with item ids, and the folder appears whole or not at all."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
import test_fit
import test_two_tower_served

import worlds
from foryou.config import Placement
from foryou.domain.bundle import Manifest
from foryou.domain.errors import Conflict, Invalid, NotFound
from foryou.train import parquet
from foryou.wiring.exporting import exported
from foryou.wiring.home import Home
from foryou.wiring.models import FEATURES, TOWER_PRIORS
from foryou.wiring.training import fitting, release


def quiet(done: int, total: int) -> None:
    """Hear of progress and say nothing."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = worlds.home_in(tmp_path / "home")
    home.models.publish_catalog(worlds.catalog())
    home.models.publish(worlds.bundle())
    yield home
    home.close()


def test_every_array_is_a_file_and_the_manifest_is_json(home: Home, tmp_path: Path) -> None:
    done = exported(home, "v1", tmp_path / "out", quiet)
    arrays = worlds.bundle().arrays
    assert sorted(done.files) == sorted([*(f"{name}.parquet" for name in arrays), "manifest.json"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(done.files)
    said = msgspec.json.decode((tmp_path / "out" / "manifest.json").read_bytes(), type=Manifest)
    assert (said.version, said.catalog) == ("v1", "films")


def test_vectors_stand_beside_the_ids_of_their_items(home: Home, tmp_path: Path) -> None:
    exported(home, "v1", tmp_path / "out", quiet)
    table = pl.read_parquet(tmp_path / "out" / "vectors.parquet")
    catalog, vectors = worlds.catalog(), np.asarray(worlds.bundle().arrays["vectors"])
    assert table["item_id"].to_list() == [catalog.id_of(number) for number in range(1, 61)]
    np.testing.assert_array_equal(table["vector"].to_numpy(), vectors[1:])


def test_links_are_rows_with_both_ids(home: Home, tmp_path: Path) -> None:
    exported(home, "v1", tmp_path / "out", quiet)
    table = pl.read_parquet(tmp_path / "out" / "links.parquet")
    links = worlds.links()
    assert len(table) == np.count_nonzero(links)
    assert all(worlds.genre_of(a) == worlds.genre_of(b) for a, b in table.select("item_id", "other_id").iter_rows())
    of_one = dict(table.filter(pl.col("item_id") == "war-1").select("other_id", "weight").iter_rows())
    assert of_one["war-2"] == links[1, 5]


def test_weights_are_named_by_their_inputs(home: Home, tmp_path: Path) -> None:
    exported(home, "v1", tmp_path / "out", quiet)
    table = pl.read_parquet(tmp_path / "out" / "blend.parquet")
    weights = dict(table.select("input", "weight").iter_rows())
    assert list(weights) == list(FEATURES)
    assert weights["popularity"] == pytest.approx(worlds.WEIGHTS["popularity"])


def test_heaviest_links_groups_and_lists_of_items_name_their_items() -> None:
    ids = pl.Series([None, "a", "b"], dtype=pl.String)
    arrays = {
        "link_ids": np.array([[0, 0], [2, 0], [1, 0]], np.int32),
        "link_values": np.array([[0, 0], [0.5, 0], [0.25, 0]]),
        "age_lift": np.array([[9, 1, 2], [9, 3, 4]], np.float32), "popular": np.array([2, 1], np.int32),
        "kin_items": np.array([2], np.int32), "kin": np.array([[1, 0]], np.int32),
        "mlp-mean": np.array([7, 8], np.float32), "layer": np.zeros((3, 2), np.float32),
    }  # fmt: skip
    told = {name: parquet.table(name, arrays, ids, ("x", "y")).rows() for name in arrays if name != "link_values"}
    assert told["link_ids"] == [("a", "b", 0.5), ("b", "a", 0.25)]
    assert told["age_lift"] == [("a", 0, 1.0), ("b", 0, 2.0), ("a", 1, 3.0), ("b", 1, 4.0)]
    assert told["popular"] == [(0, "b"), (1, "a")]
    assert told["kin"] == [("b", "a")]
    assert told["mlp-mean"] == [(0, "x", 7.0), (0, "y", 8.0)]
    assert [row for row, _ in told["layer"]] == [0, 1, 2]


def test_graph_and_towers_stand_beside_the_ids_of_their_items_too(tmp_path: Path) -> None:
    placement = Placement(graph=20, two_tower=20)
    config = msgspec.structs.replace(test_two_tower_served.WANTED, placements={"home": placement})
    catalog = test_fit.catalog_of(test_fit.LITTLE)
    log = test_fit.log_of(test_fit.LITTLE, catalog)
    bundle, _ = fitting(config, test_fit.quiet).bundle(log, catalog, "v1", 77, tmp_path / "work")
    home = worlds.home_in(tmp_path / "home")
    home.models.publish_catalog(catalog)
    home.models.publish(bundle)
    exported(home, "v1", tmp_path / "out", quiet)
    home.close()
    ids = [catalog.id_of(number) for number in range(1, len(catalog) + 1)]
    for name in ("graph_into", "graph_out", "tower-vectors"):
        table = pl.read_parquet(tmp_path / "out" / f"{name}.parquet")
        assert table["item_id"].to_list() == ids
        np.testing.assert_array_equal(table["vector"].to_numpy(), np.asarray(bundle.arrays[name])[1:])
    links = pl.read_parquet(tmp_path / "out" / "graph_ids.parquet")
    assert not (tmp_path / "out" / "graph_values.parquet").exists()
    number = {one: at for at, one in enumerate(ids, start=1)}
    others, weights = (np.asarray(bundle.arrays[name]) for name in ("graph_ids", "graph_values"))
    assert len(links) == np.count_nonzero(others) > 0
    for item, other, weight in links.sample(20, seed=1).iter_rows():
        assert weight == weights[number[item]][others[number[item]] == number[other]]
    blend = pl.read_parquet(tmp_path / "out" / "blend.parquet")
    assert blend["input"].to_list() == [*TOWER_PRIORS, *TOWER_PRIORS]


def test_without_a_version_the_bundle_in_force_is_written_into_the_home(home: Home) -> None:
    with pytest.raises(NotFound, match="No bundle is in force; name a version"):
        exported(home, None, None, quiet)
    release(home, "v1", "by hand")
    done = exported(home, None, None, quiet)
    assert Path(done.folder) == Path(home.config.home) / "exports" / "v1"
    assert (Path(done.folder) / "vectors.parquet").is_file()


def test_a_folder_that_exists_is_not_written_into(home: Home, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(Conflict, match="exists already; name another folder, or remove it"):
        exported(home, "v1", tmp_path / "out", quiet)


def test_a_folder_below_a_file_is_refused(home: Home, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(Invalid, match=r"--out: .* cannot be made .*; name a folder to write into"):
        exported(home, "v1", tmp_path / "file" / "out", quiet)


def test_an_export_that_is_stopped_leaves_nothing(home: Home, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:  # noqa: ARG001
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exported(home, "v1", tmp_path / "out", stop)
    assert os.listdir(tmp_path) == ["home"]  # noqa: PTH208 - hidden ones, too
