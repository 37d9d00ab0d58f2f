"""Where are drills played? On one stage, started once for all of them; each leaves a row in the report."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from crowd import CROWDED
from load import quantile
from stage import WITHIN_MS, Drill, Stage

from drilled import PROPERTY
from foryou.domain.errors import Unavailable
from servers import absent

HERE = Path(__file__).parent
STAGE = pytest.StashKey[Stage]()


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Stage]:
    """Servers that may be killed, and a home served on them."""
    try:
        opened = Stage(tmp_path_factory.mktemp("drills"), bool(pytestconfig.getoption("--long")))
    except Unavailable as error:
        absent(f"no stage for drills: {error}")
    pytestconfig.stash[STAGE] = opened
    with closing(opened):
        yield opened


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Close the stage after the last drill: its servers must not be beside all other tests."""
    stage = item.config.stash.get(STAGE, None)
    if stage is not None and (nextitem is None or HERE not in nextitem.path.parents):
        stage.close()


@pytest.fixture
def judged(record_property: Callable[[str, object], None]) -> Callable[[Drill], None]:
    """Give what notes a drill that was played, and holds it to what is promised."""

    def judge(drill: Drill) -> None:
        record_property(PROPERTY, drill.row())
        seen, verdict = drill.seen, drill.verdict
        assert verdict is not None
        assert not seen.failed, "calls failed"
        assert not seen.given_up, "posts were never acknowledged"
        assert seen.acknowledged, "nothing was posted"
        assert (verdict.lost, verdict.twice) == (0, 0)
        assert drill.others > CROWDED or quantile(seen.ms, 0.99) <= WITHIN_MS

    return judge
