"""The schema says what the golden bytes say."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from sfu import protocol
from sfu.protocol import MAX_FRAME_BYTES
from signalling import cbor
from tests.unit.sfu import vectors

WRITTEN: dict[str, Any] = json.loads(vectors.PATH.read_text(encoding="utf-8"))


def test_file_is_what_the_generator_writes() -> None:
    assert vectors.PATH.read_text(encoding="utf-8") == vectors.build()


@pytest.mark.parametrize("vector", WRITTEN["commands"], ids=lambda v: v["json"]["type"])
def test_commands_decode_and_encode(vector: dict[str, Any]) -> None:
    raw = bytes.fromhex(vector["cbor"])
    kind: Any = protocol.NodeCommand
    assert cbor.encode(cbor.decode(raw, kind, max_bytes=MAX_FRAME_BYTES)) == raw


@pytest.mark.parametrize("vector", WRITTEN["messages"], ids=lambda v: v["json"]["type"])
def test_messages_decode_and_encode(vector: dict[str, Any]) -> None:
    raw = bytes.fromhex(vector["cbor"])
    kind: Any = protocol.EngineMessage
    assert cbor.encode(cbor.decode(raw, kind, max_bytes=MAX_FRAME_BYTES)) == raw


def test_every_word_has_a_vector() -> None:
    assert {type(c) for c in vectors.COMMANDS} == set(get_args(protocol.NodeCommand))
    assert {type(m) for m in vectors.MESSAGES} == set(get_args(protocol.EngineMessage))
