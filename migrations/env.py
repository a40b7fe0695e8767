"""How Alembic reaches the database: through the application's own engine, one transaction for each migration."""

from __future__ import annotations

from alembic import context
from flask import current_app

from models.base import db, refuse_old_postgres


def _without_partitions(_object: object, name: str | None, kind: str, *_: object) -> bool:
    """Daily partitions come and go by themselves; Alembic must not see them."""
    return not (kind == "table" and name is not None and name.startswith("attempts_"))


def run() -> None:
    """Upgrade, or compare for a new migration. Locks are waited for 5 s only, so a migration never stalls the intake."""
    migrate = current_app.extensions["migrate"]
    with db.engine.connect() as connection:
        refuse_old_postgres(connection)
        connection.rollback()
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            include_object=_without_partitions,
            transaction_per_migration=True,
            **migrate.configure_args,
        )
        with context.begin_transaction():
            context.run_migrations()


run()
