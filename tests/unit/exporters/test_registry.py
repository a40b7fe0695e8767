"""The one list of export types, and what holds for the whole house."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

from exporters.errors import UnknownKind
from exporters.ftp import Ftp
from exporters.postback import Postback
from exporters.registry import FILES, KINDS, RECORDS, exporter_of, file_exporter, record_exporter
from exporters.transfer import USER_AGENT

ROOT = Path(__file__).parents[3]


def test_an_exporter_is_found_by_its_kind():
    assert record_exporter("postback") is Postback


def test_an_unknown_kind_is_told_with_those_there_are():
    with pytest.raises(UnknownKind, match='"carrier pigeon"; there are: postback'):
        record_exporter("carrier pigeon")


def test_a_kind_of_files_is_no_kind_of_records():
    assert file_exporter("ftp") is exporter_of("ftp") is Ftp
    with pytest.raises(UnknownKind, match='"csv"; there are: postback'):
        record_exporter("csv")
    with pytest.raises(UnknownKind, match='"postback"; there are: ftp, csv'):
        file_exporter("postback")


def test_kinds_are_unique_and_labelled():
    assert len({exporter.kind for exporter in KINDS}) == len(KINDS) == len(RECORDS) + len(FILES)
    assert all(exporter.label for exporter in KINDS)


def test_the_user_agent_tells_the_version_of_the_project():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"Waybill/{version}" == USER_AGENT


def test_only_the_door_touches_the_network():
    doors = {"pycurl", "socket", "ssl", "requests", "http", "urllib3", "ftplib", "select", "subprocess"}
    found = {
        (path.parent.name, module)
        for path in (ROOT / "exporters").rglob("*.py")
        for module in _imported(path)
        if module in doors
    }
    assert {folder for folder, _ in found} == {"transfer"}


def _imported(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {(node.module or "").split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}
