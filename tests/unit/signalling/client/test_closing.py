"""Close codes are a promise to programs: they may grow, never change."""

from __future__ import annotations

from signalling.client.closing import CLOSE_CODES, close_code
from signalling.errors import ErrorCode


def test_codes_lie_in_the_range_for_applications() -> None:
    assert all(4000 <= number <= 4999 for number in CLOSE_CODES.values())


def test_the_promise() -> None:
    assert close_code(None) == 1000
    assert close_code(ErrorCode.MALFORMED_MESSAGE) == 4400
    assert close_code(ErrorCode.TOKEN_EXPIRED) == 4401
    assert close_code(ErrorCode.HELLO_TIMEOUT) == 4408
    assert close_code(ErrorCode.REPLACED) == 4409
    assert close_code(ErrorCode.PING_TIMEOUT) == 4410
    assert close_code(ErrorCode.SLOW_CONSUMER) == 4430
    assert close_code(ErrorCode.NODE_DRAINING) == 4503
    assert close_code(ErrorCode.ROOM_FULL) == 4500


def test_a_code_fits_in_a_close_frame_as_its_reason() -> None:
    assert all(len(code.value.encode()) <= 123 for code in ErrorCode)
