"""A SQLite file as it must be before it is used: closed to others, whole, of the newest known schema.

Everything here blocks; it runs in the repository's thread.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from durable.errors import StoreSetupError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = ["migration_names", "open_file", "upgrade"]

_MIGRATIONS: Final = Path(__file__).with_name("migrations")


def open_file(path: Path, *, busy_s: float) -> Connection:
    """Open, check and migrate; one connection, which any one thread at a time may use.

    Args:
        path: the file; made if it is not there.
        busy_s: how long to wait for another process that has it open (a backup, say).

    Raises:
        StoreSetupError: see :func:`durable.open_sqlite`.
    """
    try:
        _close_to_others(path)
        connection = _connect(path, busy_s)
    except (OSError, SQLAlchemyError, sqlite3.Error) as error:
        raise _unusable(path, error) from error
    try:
        _check_whole(connection, path)
        _check_version(connection, path)
        upgrade(connection)
    except (SQLAlchemyError, sqlite3.Error, CommandError) as error:
        connection.close()
        raise _unusable(path, error) from error
    except StoreSetupError:
        connection.close()
        raise
    return connection


def migration_names() -> tuple[str, ...]:
    """The numbers of all migrations, the first one first."""
    revisions = ScriptDirectory.from_config(_config()).walk_revisions()
    return tuple(reversed([revision.revision for revision in revisions]))


def upgrade(connection: Connection, to: str = "head") -> None:
    """Run what is missing of the migrations up to one, each in a transaction of its own."""
    command.upgrade(_config(connection), to)
    connection.commit()


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _close_to_others(path: Path) -> None:
    # SQLite makes its other files with the mode of this one.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)


def _connect(path: Path, busy_s: float) -> Connection:
    engine = create_engine(
        "sqlite://",
        # Transactions are begun by us below, not by the driver, which would leave DDL outside of them.
        creator=lambda: sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False),
        poolclass=StaticPool,
    )
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    connection = engine.connect()
    raw = connection.connection.cursor()
    raw.execute("PRAGMA journal_mode=WAL")
    raw.execute("PRAGMA synchronous=FULL")
    raw.close()
    return connection


def _check_whole(connection: Connection, path: Path) -> None:
    said = connection.execute(text("PRAGMA quick_check(1)")).scalar()
    connection.commit()
    if said != "ok":
        raise StoreSetupError("store_invalid", _broken(path))


def _check_version(connection: Connection, path: Path) -> None:
    current = MigrationContext.configure(connection).get_current_revision()
    connection.commit()
    if current is not None and current not in migration_names():
        raise StoreSetupError(
            "store_invalid",
            f"{path} is of schema {current}, which a newer Starling made; run that version, or restore a backup",
        )


def _unusable(path: Path, error: Exception) -> StoreSetupError:
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, sqlite3.DatabaseError) and not isinstance(cause, sqlite3.OperationalError):
        return StoreSetupError("store_invalid", _broken(path))
    reason = getattr(cause, "strerror", None) or str(cause)
    return StoreSetupError(
        "store_file_unavailable", f"{path} cannot be opened ({reason.lower()}); check folder and disk"
    )


def _broken(path: Path) -> str:
    return f"{path} is not a whole SQLite database; restore it from a backup, or move it away to begin anew"
