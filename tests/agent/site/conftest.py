"""Sites that tests load and spoil."""

import shutil
from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def data():
    return DATA


@pytest.fixture
def whole(tmp_path):
    """A copy of the whole site, which a test may change; its site file."""
    shutil.copytree(DATA / "whole", tmp_path / "whole")
    return tmp_path / "whole" / "site.toml"


@pytest.fixture
def edited(whole):
    """Replace words in the whole site's files; gives the site file."""

    def edit(*changes, file="site.toml"):
        path = whole.parent / file
        text = path.read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        path.write_text(text, encoding="utf-8")
        return whole

    return edit
