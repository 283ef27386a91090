"""Documents with their revisions, and entries of logs."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables; all text is compared bytewise, SQLite's own rule."""
    op.execute(
        """
        CREATE TABLE documents (
            scope TEXT NOT NULL,
            kind TEXT NOT NULL,
            key TEXT NOT NULL,
            revision INTEGER NOT NULL,
            expires_at_ms INTEGER NOT NULL,
            body BLOB NOT NULL,
            PRIMARY KEY (scope, kind, key)
        ) WITHOUT ROWID
        """
    )
    op.execute("CREATE INDEX documents_by_kind ON documents (kind, scope)")
    op.execute(
        """
        CREATE TABLE entries (
            scope TEXT NOT NULL,
            log TEXT NOT NULL,
            id TEXT NOT NULL,
            body BLOB NOT NULL,
            PRIMARY KEY (scope, log, id)
        ) WITHOUT ROWID
        """
    )
    op.execute("CREATE TABLE counters (revision INTEGER NOT NULL)")
    op.execute("INSERT INTO counters (revision) VALUES (0)")
