"""Workers of the release before run on the tables of the next: what a migration does, they must not feel."""

import ast
from pathlib import Path

import pytest

FILES = sorted(Path("migrations/versions").glob("*.py"))
TAKING = {"drop_table", "drop_column", "rename_table"}


def faults(source: str) -> list[str]:
    """List what an upgrade takes away, or demands of code that does not know it."""
    tree = ast.parse(source)
    upgrade = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade")
    found = []
    for call in (node for node in ast.walk(upgrade) if isinstance(node, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        text = ast.unparse(call)
        if name in TAKING or (name == "alter_column" and ("nullable=False" in text or "new_column_name" in text)):
            found.append(text)
        if name == "add_column" and "nullable=False" in text and "server_default" not in text:
            found.append(text)
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_upgrade_takes_nothing_away(file: Path) -> None:
    assert faults(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "op.drop_column('a', 'b')",
        "op.drop_table('a')",
        "op.alter_column('a', 'b', nullable=False)",
        "op.alter_column('a', 'b', new_column_name='c')",
        "op.add_column('a', sa.Column('b', sa.Text(), nullable=False))",
    ],
)
def test_what_an_old_worker_would_feel_is_found(line: str) -> None:
    assert faults(f"def upgrade():\n    {line}\n") != []


def test_a_column_with_a_default_is_no_fault() -> None:
    line = "op.add_column('a', sa.Column('b', sa.Text(), server_default='', nullable=False))"
    assert faults(f"def upgrade():\n    {line}\n") == []
