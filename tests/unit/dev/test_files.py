from pathlib import Path

import pytest

from dev.files import read_or_none, write_private


def test_a_private_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_private(path, "one")
    before = path.stat().st_ino
    write_private(path, "two\n")
    assert read_or_none(path) == "two"
    assert path.stat().st_ino != before
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_private(path, "one")
    with pytest.raises(UnicodeEncodeError):
        write_private(path, "\ud800")
    assert read_or_none(path) == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_is_none(tmp_path: Path) -> None:
    assert read_or_none(tmp_path / "none") is None
