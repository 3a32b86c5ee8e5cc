"""What may not run beside itself does not: the groups of tests hold."""

import pytest

pytestmark = pytest.mark.xdist_group("groups")
ran: list[str] = []


@pytest.mark.parametrize("number", range(4))
def test_one_process_runs_all_tests_of_a_group(number: int, request: pytest.FixtureRequest):
    ran.append(request.node.nodeid)
    assert len(ran) == number + 1
    assert request.node.nodeid.endswith("@groups") or not request.config.getoption("loadgroup", False)
