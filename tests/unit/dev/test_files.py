from pathlib import Path

import pytest

from dev import files
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


def test_a_port_is_noted_once_as_long_as_its_file_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CLAIMS", tmp_path / "claims")
    monkeypatch.setattr(files, "PORTS", range(20_000, 20_002))
    monkeypatch.setattr(files, "is_free", lambda _: True)
    one, other = files.kept_port(tmp_path / "one"), files.kept_port(tmp_path / "other")
    assert {one, other} == {20_000, 20_001}
    assert files.kept_port(tmp_path / "one") == one
    (tmp_path / "one").unlink()
    assert files.kept_port(tmp_path / "third") == one
