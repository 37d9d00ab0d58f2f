"""What does every model store promise about releases: who may promote, and what is in force?"""

from concurrent.futures import ThreadPoolExecutor

import pytest
import racers
from backends import Backend, rewrite
from racers import Course

from foryou.domain.errors import Conflict, Invalid, Refused
from foryou.domain.ports import ModelStore
from foryou.domain.release import Release


def test_before_the_first_promotion_no_release_is_in_force(models: ModelStore) -> None:
    assert models.release() is None
    assert models.releases() == []


def test_a_release_replaces_the_one_before_and_a_roll_back_is_one_more(models: ModelStore) -> None:
    first = Release(1, {"main": (("v1", 1.0),)}, 10, "first")
    second = Release(2, {"main": (("v1", 0.5), ("v2", 0.5)), "content": (("c", 1.0),)}, 20, "half")
    back = Release(3, first.families, 30, "back")
    for expected, release in enumerate((first, second, back)):
        models.replace_release(release, expected)
        assert models.release() == release
    assert models.releases() == [first, second, back]


def test_a_machine_knows_the_release_that_it_saw_last(models: ModelStore) -> None:
    assert models.last_release() is None
    for expected in (0, 1):
        models.replace_release(Release(expected + 1, {}), expected)
        assert models.release() == models.last_release() == Release(expected + 1, {})


@pytest.mark.parametrize("expected", [0, 1, 3])
def test_a_promotion_from_another_release_is_a_conflict(models: ModelStore, expected: int) -> None:
    models.replace_release(Release(1, {}), 0)
    models.replace_release(Release(2, {}, reason="second"), 1)
    with pytest.raises(
        Conflict, match=rf"release {expected} is not the one in force, which is 2 .*: somebody else promoted"
    ):
        models.replace_release(Release(expected + 1, {}), expected)
    assert models.release() == Release(2, {}, reason="second")


def test_a_release_must_follow_the_one_that_it_replaces(models: ModelStore) -> None:
    with pytest.raises(Invalid, match="generation: 3 does not follow 0; make it 1"):
        models.replace_release(Release(3, {}), 0)
    with pytest.raises(Conflict, match="release 2 is not the one in force, which is 0"):
        models.replace_release(Release(3, {}), 2)
    assert models.release() is None


def test_a_damaged_release_is_refused_and_can_be_replaced(models: ModelStore, models_backend: Backend) -> None:
    models.replace_release(Release(1, {}), 0)
    rewrite(models_backend, "releases/00000001.json", lambda body: body[:-1])
    with pytest.raises(Refused, match=r"releases/00000001\.json is damaged: .*; promote again, which replaces it"):
        models.release()
    models.replace_release(Release(2, {}), 1)
    assert models.release() == Release(2, {})


def test_of_racing_threads_one_promotes(models: ModelStore, models_backend: Backend) -> None:
    clients = [models_backend.open() for _ in range(6)]

    def promote(racer: int, expected: int) -> str:
        try:
            clients[racer].replace_release(Release(expected + 1, {}, reason=f"racer {racer}"), expected)
        except Conflict:
            return ""
        return f"racer {racer}"

    with ThreadPoolExecutor(6) as pool:
        for expected in range(5):
            winners = [won for won in pool.map(promote, range(6), [expected] * 6) if won]
            assert len(winners) == 1
            assert models.release() == Release(expected + 1, {}, reason=winners[0])


def test_of_racing_processes_one_promotes(models: ModelStore, models_backend: Backend, course: Course) -> None:
    won = course.race(racers.promote, models_backend)
    assert sorted(won[0] + won[1]) == list(range(1, 11))
    for racer, generations in enumerate(won):
        assert {release.reason for release in models.releases() if release.generation in generations} <= {
            f"racer {racer}"
        }
