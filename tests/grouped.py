"""Which tests go to one worker of a run? Those of one `xdist_group`, and those that share what their file made once."""

from typing import Any

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[Any]) -> None:
    """Put its group behind the name of a test, where `--dist loadgroup` looks for it.

    pytest-xdist does so itself; but what version 3.8 writes, pytest 9.2 does not read any more.
    """
    if not config.getoption("loadgroup", False):
        return
    for item in items:
        group = _group(item)
        if group and not item.nodeid.endswith(f"@{group}"):
            item._id = type(item._id).parse(f"{item.nodeid}@{group}")


def _group(item: Any) -> str:
    """Give the group that a test names, or its file where something is made once for all of the file."""
    marked = item.get_closest_marker("xdist_group")
    if marked:
        return str(marked.args[0])
    made = item._fixtureinfo.name2fixturedefs.values()
    return item.path.stem if any(one.scope == "module" for found in made for one in found[-1:]) else ""
