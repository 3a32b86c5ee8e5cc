"""Tests of one group (``xdist_group``) are run by one process: two demos or two sets of workers at once would be too much."""

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Write the group into a test's id, where pytest-xdist looks for it.

    It does so itself, but into an attribute that pytest has no longer since 9.2, and groups nothing:
    https://github.com/pytest-dev/pytest-xdist/issues/1386.
    """
    if not config.getoption("loadgroup", False):
        return
    for item in items:
        mark = item.get_closest_marker("xdist_group")
        if mark is not None:
            item._id = item.id.parse(f"{item.nodeid}@{mark.args[0]}")
