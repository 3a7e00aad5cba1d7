"""One wheel and one installation for all tests that need them."""

import pytest

from tests.ops.installed import build_wheel, install

collect_ignore = ["example_driver"]  # another distribution with tests of its own, see test_example_driver.py


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def tocsin(wheel, tmp_path_factory):
    """The program of a fresh virtual environment."""
    return install(wheel, tmp_path_factory.mktemp("installed") / "venv")
