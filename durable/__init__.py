"""What outlives a process: one repository of small documents and bounded logs, on SQLite or Redis.

- repository.py is the interface and says what a document, a revision and a log are.
- redis_connection.py is the one file that speaks redis-py: threads, deadlines, a breaker (breaker.py)
  and one vocabulary of errors (errors.py). The index of seats in `session/` stands on it too.

Domains bring their own records as JSON bytes; nothing here knows what a room or an account is.
"""

from durable.errors import StoreOutcomeUnknownError, StoreSetupError, StoreUnavailableError
from durable.redis_connection import RedisConnection, RedisStatistics, open_redis
from durable.repository import (
    ABSENT,
    MAX_BODY_BYTES,
    Document,
    Entry,
    Kind,
    Log,
    Repository,
    RevisionConflictError,
)

__all__ = [
    "ABSENT",
    "MAX_BODY_BYTES",
    "Document",
    "Entry",
    "Kind",
    "Log",
    "RedisConnection",
    "RedisStatistics",
    "Repository",
    "RevisionConflictError",
    "StoreOutcomeUnknownError",
    "StoreSetupError",
    "StoreUnavailableError",
    "open_redis",
]
