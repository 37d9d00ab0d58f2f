"""Which tests must not run beside each other? Those of one `xdist_group`: one worker of a run plays them all."""

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
        group = item.get_closest_marker("xdist_group")
        if group and not item.nodeid.endswith(f"@{group.args[0]}"):
            item._id = type(item._id).parse(f"{item.nodeid}@{group.args[0]}")
