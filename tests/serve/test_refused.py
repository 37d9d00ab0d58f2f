"""Does a process go on with what works when a release names a bundle that cannot serve?"""

import msgspec
import pytest
from homes import ask, released, versions

import worlds
from foryou.domain.bundle import ModelBundle
from foryou.domain.errors import Unavailable
from foryou.domain.release import MAIN
from foryou.serve.live import UNTRAINED, Live
from foryou.stores.models_objects import ObjectModels
from foryou.wiring import pipelines
from foryou.wiring.home import Home


def other_schema() -> ModelBundle:
    bundle = worlds.bundle("old")
    arrays = {name: array for name, array in bundle.arrays.items() if name != "popular"}
    return ModelBundle(msgspec.structs.replace(bundle.manifest, schema="0123456789abcdef"), arrays)


def incomplete() -> ModelBundle:
    bundle = worlds.bundle("old")
    return ModelBundle(bundle.manifest, {name: array for name, array in bundle.arrays.items() if name != "popular"})


def no_catalog() -> ModelBundle:
    return worlds.bundle("old", "no-such-catalog")


REFUSED = {
    "other_schema": (other_schema, "Bundle old was trained for inputs 0123456789abcdef, this release has [0-9a-f]{16};"
                                   " train again with `foryou train`"),
    "missing": (None, "bundles/old"),
    "no_catalog": (no_catalog, "no-such-catalog"),
    "incomplete": (incomplete, r"broken: KeyError\('popular'\)"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_a_refused_bundle_leaves_the_old_one_serving_and_is_named(home: Home, kind: str) -> None:
    made, reason = REFUSED[kind]
    home.models.publish(worlds.bundle("v1"))
    released(home, main=(("v1", 1.0),))
    live = home.live()
    live.refresh()
    arm, items = live.arm_for("ann"), ask(live)
    if made:
        home.models.publish(made())
    released(home, main=(("old", 1.0),))
    for _ in range(2):
        live.refresh()
        assert live.arm_for("ann") is arm
        assert ask(live) == items
    assert (live.release.generation, list(live.refused)) == (1, ["old"])
    with pytest.raises(Exception, match=reason):
        raise Exception(live.refused["old"])


def test_a_bundle_that_breaks_on_its_first_answer_leaves_the_old_one_serving(
    home: Home, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> None:
        raise RuntimeError("Error in faiss::IndexIVF")

    monkeypatch.setattr(pipelines, "warm", breaks)
    home.models.publish(worlds.bundle("v2"))
    released(home, main=(("v2", 1.0),))
    live.refresh()
    assert (versions(live), live.refused) == (["v1"], {"v2": "broken: RuntimeError('Error in faiss::IndexIVF')"})


def test_of_a_release_whose_one_half_is_refused_the_other_half_serves_all(home: Home) -> None:
    home.models.publish(worlds.bundle("v1"))
    released(home, main=(("gone", 0.5), ("v1", 0.5)))
    live = home.live()
    live.refresh()
    assert {live.arm_for(f"u{n}").version for n in range(50)} == {"v1"}
    assert live.release.families == {MAIN: (("v1", 1.0),)}
    assert list(live.refused) == ["gone"]


def test_with_nothing_but_refused_bundles_a_home_still_serves_what_trends(home: Home) -> None:
    released(home, main=(("gone", 1.0),))
    live = home.live()
    live.refresh()
    assert live.arm_for("ann").version == UNTRAINED
    assert list(live.refused) == ["gone"]
    home.models.publish(worlds.bundle("gone"))
    released(home, main=(("gone", 1.0),))
    live.refresh()
    assert live.arm_for("ann").version == "gone"


def test_a_bundle_that_cannot_be_fetched_for_a_moment_is_taken_up_later(
    home: Home, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.models.publish(worlds.bundle("v2"))
    released(home, main=(("v2", 1.0),))

    def gone(*_: object) -> None:
        raise Unavailable("the network is gone")

    monkeypatch.setattr(ObjectModels, "load", gone)
    live.refresh()
    assert (versions(live), live.refused) == (["v1"], {"v2": "the network is gone"})
    monkeypatch.undo()
    live.refresh()
    assert (versions(live), live.refused) == (["v2"], {})


def test_a_refused_bundle_is_not_read_again_until_the_next_release(
    home: Home, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str] = []
    real = ObjectModels.load
    monkeypatch.setattr(ObjectModels, "load", lambda self, version: loads.append(version) or real(self, version))
    released(home, main=(("gone", 1.0),))
    for _ in range(3):
        live.refresh()
    assert loads == ["gone"]
    released(home, main=(("v1", 1.0),))
    live.refresh()
    assert (loads, live.refused, live.release.generation) == (["gone"], {}, 3)
