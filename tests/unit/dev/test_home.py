from pathlib import Path

from cryptography.fernet import Fernet

from dev.home import Home


def _environment(home: Home, given: dict[str, str]) -> dict[str, str]:
    home.make()
    return home.environment(given, database_url="postgresql://d", redis_url="redis://r", port=5001, receiver_port=6000)


def test_keys_are_made_once_and_kept_private(tmp_path: Path) -> None:
    home = Home(tmp_path / "data")
    first, second = _environment(home, {}), _environment(home, {})
    assert first == second
    assert len(first["SECRET_KEY"]) >= 32
    Fernet(first["ENCRYPTION_KEYS"])
    assert {oct(file.stat().st_mode & 0o777) for file in home.folder.iterdir()} == {"0o600"}
    assert oct(home.folder.stat().st_mode & 0o777) == "0o700"


def test_two_folders_have_different_keys(tmp_path: Path) -> None:
    first, second = (_environment(Home(tmp_path / name), {}) for name in ("a", "b"))
    assert first["SECRET_KEY"] != second["SECRET_KEY"]


def test_given_keys_win_and_are_not_copied(tmp_path: Path) -> None:
    home = Home(tmp_path)
    given = {"SECRET_KEY": "s" * 40, "ENCRYPTION_KEYS": "k1,k2"}
    assert _environment(home, given).items() >= given.items()
    assert list(home.folder.iterdir()) == []


def test_the_receiver_is_added_to_what_may_be_dialled(tmp_path: Path) -> None:
    assert _environment(Home(tmp_path), {})["EGRESS_ALLOW"] == "127.0.0.1/32:6000"
    given = {"EGRESS_ALLOW": "10.1.2.0/24:443"}
    assert _environment(Home(tmp_path), given)["EGRESS_ALLOW"] == "10.1.2.0/24:443,127.0.0.1/32:6000"


def test_the_web_process_listens_on_this_machine_only_unless_told(tmp_path: Path) -> None:
    assert _environment(Home(tmp_path), {})["GUNICORN_CMD_ARGS"] == "--bind=127.0.0.1:5001"
    told = {"GUNICORN_CMD_ARGS": "--bind=0.0.0.0:80"}
    assert _environment(Home(tmp_path), told)["GUNICORN_CMD_ARGS"] == "--bind=0.0.0.0:80"
