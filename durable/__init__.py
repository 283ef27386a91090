"""What outlives a process: one repository of small documents and bounded logs, on SQLite or Redis.

- repository.py is the interface and says what a document, a revision and a log are. Two pass its suite:
  sqlite_repository.py for one node (sqlite_file.py opens and checks, `migrations/` has the numbered steps to the
  schema of today), and redis_repository.py with documents.lua for a cluster.
- redis_connection.py is the one file that speaks redis-py: threads, deadlines, a breaker (breaker.py)
  and one vocabulary of errors (errors.py). The index of seats in `session/` stands on it too.

Domains bring their own records as JSON bytes; nothing here knows what a room or an account is.
"""

from durable.errors import StoreOutcomeUnknownError, StoreSetupError, StoreUnavailableError
from durable.redis_connection import RedisConnection, RedisStatistics, open_redis
from durable.redis_repository import AppendOnly, RedisRepository
from durable.repository import (
    ABSENT,
    MAX_BODY_BYTES,
    Document,
    Entry,
    Kind,
    LocalRepository,
    Log,
    Repository,
    RepositoryStatistics,
    RevisionConflictError,
)
from durable.sqlite_repository import SqliteRepository, open_sqlite

__all__ = [
    "ABSENT",
    "MAX_BODY_BYTES",
    "AppendOnly",
    "Document",
    "Entry",
    "Kind",
    "LocalRepository",
    "Log",
    "RedisConnection",
    "RedisRepository",
    "RedisStatistics",
    "Repository",
    "RepositoryStatistics",
    "RevisionConflictError",
    "SqliteRepository",
    "StoreOutcomeUnknownError",
    "StoreSetupError",
    "StoreUnavailableError",
    "open_redis",
    "open_sqlite",
]
