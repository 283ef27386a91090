"""When rooms are asked for: once, not too fast, and once more when nobody answered."""

from membership.queries.room_questions import BURST, MAX_WAITING, RATE_PER_S, REMEMBERED_S, RoomQuestions
from signalling.ids import NodeId, RoomId

HALL = RoomId("hall")
HERE = NodeId("here")


def room(number: int) -> RoomId:
    return RoomId(f"room-{number}")


def test_a_room_is_asked_for_once_and_its_answer_counts_for_a_while() -> None:
    questions = RoomQuestions()
    assert questions.want(HALL, 0.0) == frozenset()
    assert questions.want(HALL, 0.0) == frozenset()
    assert questions.take(0.0) == HALL
    assert questions.take(0.0) is None
    assert questions.found(HALL, HERE)
    assert not questions.found(HALL, HERE)
    questions.over(HALL)
    assert questions.take(1.0) is None
    assert questions.want(HALL, REMEMBERED_S - 0.1) == {HERE}
    assert questions.take(REMEMBERED_S - 0.1) is None
    assert questions.want(HALL, REMEMBERED_S) == frozenset()
    assert questions.take(REMEMBERED_S) == HALL


def test_nobody_answered_asks_once_more_and_no_third_time() -> None:
    questions = RoomQuestions()
    questions.want(HALL, 0.0)
    assert questions.take(0.0) == HALL
    questions.over(HALL)
    assert questions.take(2.0) == HALL
    questions.over(HALL)
    assert questions.take(4.0) is None


def test_an_answer_to_nothing_asked_is_no_news() -> None:
    assert not RoomQuestions().found(HALL, HERE)


def test_beyond_the_burst_questions_wait_their_turn() -> None:
    questions = RoomQuestions()
    assert questions.next_at(0.0) == float("inf")
    for number in range(BURST + 2):
        questions.want(room(number), 0.0)
    asked = []
    now = 0.0
    times = []
    while questions.next_at(now) < float("inf"):
        now = questions.next_at(now)
        asked.append(questions.take(now))
        times.append(round(now, 3))
    assert asked == [room(number) for number in range(BURST + 2)]
    assert times == [0.0] * BURST + [1 / RATE_PER_S, 2 / RATE_PER_S]


def test_what_waits_and_what_is_remembered_is_bounded() -> None:
    questions = RoomQuestions()
    for number in range(MAX_WAITING + 3):
        questions.want(room(number), 0.0)
    assert questions.turned_away == 3
    questions = RoomQuestions()
    now = 0.0
    for number in range(1000):
        questions.want(room(number), now)
        now = questions.next_at(now)
        assert questions.take(now) == room(number)
    assert len(questions._asked) <= BURST + REMEMBERED_S * RATE_PER_S + 1
