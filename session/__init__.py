"""Sessions, seats, rooms and tokens: who is in, and why a refresh never removes them.

A node accepts a WebSocket and mints a *session*. A session takes a *seat* in a room, and at most one
session holds a participant's seat, on whatever node it lives. The story, from the outside in:

- `open_sessions` (service.py) is the whole of it for the rest of a node: one task owns the registry,
  asks the store and answers joins; what happens unasked comes out of `Sessions.events`.
- Two pure cores: registry.py decides about seats and joining.py about how a join comes to one, with seat_book.py
  and joins_on_way.py as their memory; rooms.py,
  with room_view.py and alternatives.py, about what each person sees, hears and is told.
- store_questions.py carries the registry's questions to the store and the answers back.
- store.py says what a seat store is and how seats are ordered. memory_store.py with seat_table.py serves one
  node, redis_store.py with seats.lua a cluster; both pass one suite.
- audit.py compares the index with the seats of a node, read by redis_seat_reader.py or out of the memory.
- chat.py remembers what was said, room_talk.py says who is told, chat_history.py keeps it in the repository;
  room_visits.py knows since when somebody is here and who was.
- directory.py keeps the definitions of rooms as documents, room_definitions.py caches them for joins (former_rooms.py
  brings over those of a former version); room_media.py says what may be forwarded in one.
  owned_rooms.py counts those of a user, unvisited_rooms.py forgets those that a join made and nobody comes to.
- access.py says who may come in unasked; invitations.py and bans.py keep what lets somebody in or out.
- tokens.py is the token chain: user token -> session token -> room token; keys.py signs, api_keys.py knows
  who else signs for users, claims.py and grants.py say what a token may say, jwt_form.py what one looks
  like before anything is believed.

The node that holds the WebSocket is the truth, the store is an index: calls run on without it, joins
are then marked degraded, and when it returns every node states its own seats again.
"""

from session.api_keys import ApiKeys
from session.audit import Finding, SeatReader, StoredSeat, compare_seats
from session.chat_history import ChatHistory, ChatStatistics
from session.claims import AccountMark
from session.config import SessionConfig
from session.directory import Access, RoomDefinition, RoomDirectory, StoredRoom
from session.errors import SessionSetupError
from session.event_outbox import EventOutbox
from session.grants import Grants
from session.keys import ClusterKeys, RotationStage
from session.memory_store import MemorySeatStore
from session.records import (
    Admitted,
    AskHolder,
    AskMesh,
    AttemptStale,
    HolderState,
    RoomNodes,
    SeatLost,
    SessionEvent,
    SessionRecord,
    SessionStatistics,
)
from session.redis_seat_reader import RedisSeatReader
from session.redis_store import RedisSeatStore
from session.room_effects import (
    Announce,
    Doubt,
    RoomEffect,
    RoomTrack,
    SayToNodes,
    Subscribe,
    Tell,
    Want,
)
from session.room_media import CodecPolicy, RoomMedia
from session.room_view import FoundTrack
from session.rooms import Rooms
from session.service import Sessions, open_sessions
from session.store import RoomPolicy, RoomRules, Seat, SeatStore
from session.tokens import RoomClaims, SessionClaims, TokenLifetimes, Tokens, UserClaims

__all__ = [
    "Access",
    "AccountMark",
    "Admitted",
    "Announce",
    "ApiKeys",
    "AskHolder",
    "AskMesh",
    "AttemptStale",
    "ChatHistory",
    "ChatStatistics",
    "ClusterKeys",
    "CodecPolicy",
    "Doubt",
    "EventOutbox",
    "Finding",
    "FoundTrack",
    "Grants",
    "HolderState",
    "MemorySeatStore",
    "RedisSeatReader",
    "RedisSeatStore",
    "RoomClaims",
    "RoomDefinition",
    "RoomDirectory",
    "RoomEffect",
    "RoomMedia",
    "RoomNodes",
    "RoomPolicy",
    "RoomRules",
    "RoomTrack",
    "Rooms",
    "RotationStage",
    "SayToNodes",
    "Seat",
    "SeatLost",
    "SeatReader",
    "SeatStore",
    "SessionClaims",
    "SessionConfig",
    "SessionEvent",
    "SessionRecord",
    "SessionSetupError",
    "SessionStatistics",
    "Sessions",
    "StoredRoom",
    "StoredSeat",
    "Subscribe",
    "Tell",
    "TokenLifetimes",
    "Tokens",
    "UserClaims",
    "Want",
    "compare_seats",
    "open_sessions",
]
