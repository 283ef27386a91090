"""What every seat store must do; run against the memory store here and against Redis in the cluster ring."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from session.store import RoomPolicy, SeatStore, Verdict
from signalling.ids import DeviceId, SessionId, UserId, participant_id
from tests.unit.session.seats import ROOM, by, seat

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LEASE_S = 8.0
TOMBSTONE_S = 100.0
CAP = 10
START_MS = 1_000_000
"""Where the clock of every world begins; the first epoch of a slot."""


@dataclass
class StoreWorld:
    """A store, the clock its leases go by, and the documents that it reads.

    Attributes:
        store: the store.
        advance: the clock, by some seconds.
        define: write the definition of ROOM; returns its revision.
        undefine: delete it.
        ban: ban a user from ROOM, for ever or until a moment in milliseconds.
        lift: lift the ban.
    """

    store: SeatStore
    advance: Callable[[float], Awaitable[None]]
    define: Callable[[], Awaitable[int]]
    undefine: Callable[[], Awaitable[None]]
    ban: Callable[[str, int | None], Awaitable[None]]
    lift: Callable[[str], Awaitable[None]]


class SeatStoreContract:
    """Subclasses give a fixture `world`."""

    async def test_a_claim_takes_an_empty_slot_and_repeats_do_not_act(self, world: StoreWorld) -> None:
        first = await world.store.claim(seat("s1", 1), by(CAP))
        again = await world.store.claim(seat("s1", 1), by(CAP))
        assert (first.verdict, first.epoch, first.nodes) == (Verdict.OK, START_MS, frozenset())
        assert again == first

    async def test_a_newer_attempt_of_the_device_takes_over_and_its_elder_reads_superseded(
        self, world: StoreWorld
    ) -> None:
        await world.store.claim(seat("s1", 1), by(CAP))
        second = await world.store.claim(seat("s2", 2, node="n2"), by(CAP))
        (elder,) = await world.store.touch((seat("s1", 1, epoch=1),))
        assert (second.verdict, second.epoch) == (Verdict.OK, START_MS + 1)
        assert (elder.verdict, elder.by_session, elder.by_node, elder.by_device) == (
            Verdict.SUPERSEDED,
            "s2",
            "n2",
            "laptop-01",
        )

    async def test_stale_attempts_are_refused_with_the_highest(self, world: StoreWorld) -> None:
        await world.store.claim(seat("s5", 5), by(CAP))
        for attempt in (1, 4, 5):
            answer = await world.store.claim(seat("late", attempt), by(CAP))
            assert (answer.verdict, answer.highest_attempt) == (Verdict.SUPERSEDED, 5)

    async def test_a_lapsed_seat_still_refuses_its_own_attempt_to_another_session(self, world: StoreWorld) -> None:
        await world.store.claim(seat("s1", 1), by(CAP))
        await world.advance(LEASE_S + 0.1)
        assert (await world.store.claim(seat("s2", 1), by(CAP))).verdict is Verdict.SUPERSEDED
        assert (await world.store.claim(seat("s2", 2), by(CAP))).verdict is Verdict.OK

    async def test_the_greatest_attempt_keeps_every_digit(self, world: StoreWorld) -> None:
        greatest = 2**53 - 1
        await world.store.claim(seat("s1", greatest - 1), by(CAP))
        answer = await world.store.claim(seat("s2", greatest), by(CAP))
        (released,) = await world.store.release((seat("s2", greatest),))
        late = await world.store.claim(seat("s3", greatest), by(CAP))
        assert [answer.verdict, released.verdict, late.verdict] == [Verdict.OK, Verdict.OK, Verdict.SUPERSEDED]
        assert late.highest_attempt == greatest

    async def test_an_ended_attempt_never_comes_back(self, world: StoreWorld) -> None:
        await world.store.claim(seat("s1", 1), by(CAP))
        await world.store.release((seat("s1", 1),))
        assert (await world.store.claim(seat("s1", 1), by(CAP))).verdict is Verdict.SUPERSEDED
        assert (await world.store.assert_seats((seat("s1", 1, epoch=1),)))[0].verdict is Verdict.SUPERSEDED
        assert (await world.store.touch((seat("s1", 1, epoch=1),)))[0].verdict is Verdict.SUPERSEDED

    async def test_a_release_that_overtakes_its_claim_still_ends_it(self, world: StoreWorld) -> None:
        (released,) = await world.store.release((seat("s1", 1),))
        late = await world.store.claim(seat("s1", 1), by(CAP))
        assert (released.verdict, late.verdict) == (Verdict.UNKNOWN, Verdict.SUPERSEDED)

    async def test_a_late_release_does_not_touch_the_newer_seat(self, world: StoreWorld) -> None:
        await world.store.claim(seat("s1", 1), by(CAP))
        await world.store.claim(seat("s2", 2, node="n2"), by(CAP))
        (late,) = await world.store.release((seat("s1", 1),))
        assert late.verdict is Verdict.SUPERSEDED
        assert await world.store.nodes_of(ROOM) == {"n2"}

    async def test_release_compares_the_attempt_too(self, world: StoreWorld) -> None:
        await world.store.claim(seat("s1", 1), by(CAP))
        await world.store.claim(seat("s1", 2), by(CAP))
        assert (await world.store.release((seat("s1", 1),)))[0].verdict is Verdict.SUPERSEDED
        assert (await world.store.touch((seat("s1", 2, epoch=2),)))[0].verdict is Verdict.OK

    async def test_tombstones_are_kept_as_long_as_told(self, world: StoreWorld) -> None:
        await world.store.release((seat("s3", 3),))
        await world.advance(TOMBSTONE_S - 1)
        assert (await world.store.claim(seat("s4", 3), by(CAP))).verdict is Verdict.SUPERSEDED
        await world.advance(TOMBSTONE_S + 1)
        assert (await world.store.claim(seat("s4", 3), by(CAP))).verdict is Verdict.OK

    async def test_touch_never_inserts(self, world: StoreWorld) -> None:
        (answer,) = await world.store.touch((seat("s1", 1, epoch=1),))
        assert answer.verdict is Verdict.UNKNOWN
        assert await world.store.nodes_of(ROOM) == frozenset()

    async def test_touch_renews_the_lease_also_of_its_own_lapsed_seat(self, world: StoreWorld) -> None:
        await world.store.claim(seat("s1", 1), by(CAP))
        for pause in (LEASE_S - 1, LEASE_S - 1, LEASE_S + 1):
            await world.advance(pause)
            assert (await world.store.touch((seat("s1", 1, epoch=1),)))[0].verdict is Verdict.OK
        assert await world.store.nodes_of(ROOM) == {"n1"}

    async def test_a_lapsed_seat_is_not_counted(self, world: StoreWorld) -> None:
        await world.store.claim(seat("s1", 1), by(CAP))
        await world.advance(LEASE_S + 0.1)
        assert await world.store.nodes_of(ROOM) == frozenset()
        assert (await world.store.claim(seat("s2", 1, user="bob"), by(1))).verdict is Verdict.OK

    async def test_assert_fills_an_emptied_store_and_keeps_its_epoch(self, world: StoreWorld) -> None:
        ahead = 2 * START_MS
        (stated,) = await world.store.assert_seats((seat("s1", 7, epoch=ahead),))
        newer = await world.store.claim(seat("s2", 1, device="phone-001"), by(CAP))
        assert (stated.verdict, stated.epoch) == (Verdict.OK, ahead)
        assert (newer.verdict, newer.epoch) == (Verdict.OK, ahead + 1)

    async def test_assert_beats_an_older_attempt_of_its_device(self, world: StoreWorld) -> None:
        await world.store.claim(seat("s1", 1), by(CAP))
        (newer,) = await world.store.assert_seats((seat("s2", 2, epoch=1, provisional=True),))
        (older,) = await world.store.assert_seats((seat("s1", 1, epoch=9),))
        assert (newer.verdict, older.verdict) == (Verdict.OK, Verdict.SUPERSEDED)

    async def test_after_an_emptied_store_a_new_join_stands_above_the_old_owners(self, world: StoreWorld) -> None:
        before = seat("old", 5, epoch=START_MS)
        await world.advance(1)
        claimed = await world.store.claim(seat("new", 1, device="phone-001"), by(CAP))
        assert claimed.epoch > before.epoch
        assert (await world.store.touch((before,)))[0].verdict is Verdict.SUPERSEDED
        assert (await world.store.assert_seats((before,)))[0].verdict is Verdict.SUPERSEDED

    async def test_after_a_rollback_the_newer_owner_takes_its_seat_back(self, world: StoreWorld) -> None:
        rolled_back = await world.store.claim(seat("old", 5), by(CAP))
        new = seat("new", 1, device="phone-001", epoch=rolled_back.epoch + 1)
        assert (await world.store.touch((new,)))[0].verdict is Verdict.UNKNOWN
        (stated,) = await world.store.assert_seats((new,))
        assert (stated.verdict, stated.epoch) == (Verdict.OK, new.epoch)
        old = seat("old", 5, epoch=rolled_back.epoch)
        assert (await world.store.touch((old,)))[0].verdict is Verdict.SUPERSEDED
        assert (await world.store.assert_seats((old,)))[0].verdict is Verdict.SUPERSEDED

    async def test_a_clock_that_steps_back_does_not_reorder_a_slot(self, world: StoreWorld) -> None:
        first = await world.store.claim(seat("s1", 1), by(CAP))
        await world.advance(-500)
        second = await world.store.claim(seat("s2", 1, device="phone-001"), by(CAP))
        assert second.epoch == first.epoch + 1

    async def test_joins_admitted_without_the_store_are_ordered_by_epoch_then_node(self, world: StoreWorld) -> None:
        await world.store.assert_seats((seat("a", 1, epoch=3, node="n1", provisional=True),))
        rival = seat("b", 1, device="phone-001", epoch=3, node="n2", provisional=True)
        assert (await world.store.assert_seats((rival,)))[0].verdict is Verdict.OK
        lower = seat("c", 1, device="tablet-01", epoch=3, node="n0", provisional=True)
        assert (await world.store.assert_seats((lower,)))[0].verdict is Verdict.SUPERSEDED
        assert (await world.store.assert_seats((seat("a", 1, epoch=3),)))[0].verdict is Verdict.SUPERSEDED

    async def test_a_replaced_device_does_not_come_back_when_its_successor_leaves(self, world: StoreWorld) -> None:
        await world.store.claim(seat("s1", 1), by(CAP))
        await world.store.claim(seat("s2", 1, device="phone-001"), by(CAP))
        await world.store.release((seat("s2", 1, device="phone-001"),))
        assert (await world.store.assert_seats((seat("s1", 1, epoch=1),)))[0].verdict is Verdict.SUPERSEDED
        assert (await world.store.claim(seat("s3", 2), by(CAP))).verdict is Verdict.OK

    async def test_multi_seats_every_device(self, world: StoreWorld) -> None:
        for device in ("laptop-01", "phone-001"):
            mine = seat(f"on-{device}", 1, device=device, policy=RoomPolicy.MULTI)
            assert (await world.store.claim(mine, by(CAP))).verdict is Verdict.OK
        both = tuple(
            seat(f"on-{device}", 1, device=device, policy=RoomPolicy.MULTI, epoch=1)
            for device in ("laptop-01", "phone-001")
        )
        assert [answer.verdict for answer in await world.store.touch(both)] == [Verdict.OK, Verdict.OK]

    async def test_a_full_room_refuses_others_but_not_those_who_sit(self, world: StoreWorld) -> None:
        await world.store.claim(seat("s1", 1), by(1))
        assert (await world.store.claim(seat("s2", 1, user="bob"), by(1))).verdict is Verdict.FULL
        assert (await world.store.claim(seat("s3", 2), by(1))).verdict is Verdict.OK
        await world.store.release((seat("s3", 2),))
        assert (await world.store.claim(seat("s2", 1, user="bob"), by(1))).verdict is Verdict.OK

    async def test_a_claim_by_other_rules_than_the_rooms_changes_nothing(self, world: StoreWorld) -> None:
        assert (await world.store.claim(seat("s0", 1, user="bob"), by(CAP, revision=3))).verdict is Verdict.CHANGED
        first = await world.define()
        second = await world.define()
        assert 0 < first < second
        for stale in (0, first):
            answer = await world.store.claim(seat("s1", 1), by(CAP, revision=stale))
            assert (answer.verdict, answer.highest_attempt) == (Verdict.CHANGED, 0)
        assert await world.store.nodes_of(ROOM) == frozenset()
        mine = seat("s1", 1)
        assert (await world.store.claim(mine, by(CAP, revision=second))).verdict is Verdict.OK
        third = await world.define()
        assert (await world.store.claim(mine, by(CAP, revision=second))).verdict is Verdict.OK, "a repeat acts once"
        assert (await world.store.touch((mine,)))[0].verdict is Verdict.OK
        assert (await world.store.claim(seat("s2", 2), by(CAP, revision=second))).verdict is Verdict.CHANGED
        assert (await world.store.claim(seat("s2", 2), by(CAP, revision=third))).verdict is Verdict.OK
        await world.undefine()
        assert (await world.store.claim(seat("s3", 3), by(CAP, revision=third))).verdict is Verdict.CHANGED
        assert (await world.store.claim(seat("s3", 3), by(CAP))).verdict is Verdict.OK

    async def test_a_stale_attempt_reads_stale_whatever_the_rules(self, world: StoreWorld) -> None:
        await world.store.claim(seat("s2", 2), by(CAP))
        revision = await world.define()
        for rules in (by(CAP), by(CAP, revision=revision, locked=True)):
            assert (await world.store.claim(seat("s1", 1), rules)).verdict is Verdict.SUPERSEDED

    async def test_a_banned_user_is_kept_out_and_loses_the_seat_at_the_next_renewal(self, world: StoreWorld) -> None:
        ann, bob = seat("s1", 1), seat("s2", 1, user="bob")
        await world.store.claim(ann, by(CAP))
        await world.store.claim(bob, by(CAP))
        await world.ban("ann", None)
        assert [a.verdict for a in await world.store.touch((ann, bob))] == [Verdict.BANNED, Verdict.OK]
        assert [a.verdict for a in await world.store.assert_seats((ann, bob))] == [Verdict.BANNED, Verdict.OK]
        assert (await world.store.claim(ann, by(CAP))).verdict is Verdict.BANNED
        assert (await world.store.claim(seat("s3", 2), by(CAP))).verdict is Verdict.BANNED
        assert (await world.store.release((ann,)))[0].verdict is Verdict.OK
        elsewhere = seat("s4", 1, room="attic")
        assert (await world.store.claim(elsewhere, by(CAP))).verdict is Verdict.OK
        await world.lift("ann")
        assert (await world.store.claim(seat("s3", 2), by(CAP))).verdict is Verdict.OK

    async def test_a_ban_ends_when_it_says(self, world: StoreWorld) -> None:
        await world.ban("ann", START_MS + 5_000)
        await world.advance(4.999)
        assert (await world.store.claim(seat("s1", 1), by(CAP))).verdict is Verdict.BANNED
        await world.advance(0.001)
        assert (await world.store.claim(seat("s1", 1), by(CAP))).verdict is Verdict.OK

    async def test_a_ban_is_found_among_many(self, world: StoreWorld) -> None:
        for n in range(130):
            await world.ban(f"a-{n:03}", None)
        await world.ban("zoe", None)
        seats = tuple(seat(f"s-{user}", 1, user=user) for user in ("a-129", "ann", "zoe"))
        verdicts = [answer.verdict for answer in await world.store.assert_seats(seats)]
        assert verdicts == [Verdict.BANNED, Verdict.OK, Verdict.BANNED]

    async def test_a_locked_room_takes_only_those_who_sit(self, world: StoreWorld) -> None:
        locked = by(CAP, locked=True)
        await world.store.claim(seat("s1", 1), by(CAP))
        assert (await world.store.claim(seat("s2", 1, user="bob"), locked)).verdict is Verdict.LOCKED
        assert (await world.store.claim(seat("s3", 2, node="n2"), locked)).verdict is Verdict.OK, "a refresh"
        phone = seat("s4", 1, device="phone-001")
        assert (await world.store.claim(phone, locked)).verdict is Verdict.OK, "who is in may change the device"
        await world.advance(LEASE_S + 0.1)
        assert (await world.store.claim(seat("s5", 3), locked)).verdict is Verdict.LOCKED, "a lapsed seat is none"

    async def test_reject_keeps_another_device_out_while_the_first_is_there(self, world: StoreWorld) -> None:
        rules = by(CAP, policy=RoomPolicy.REJECT)
        await world.store.claim(seat("s1", 1), rules)
        phone = seat("s2", 1, device="phone-001", node="n2")
        answer = await world.store.claim(phone, rules)
        assert (answer.verdict, answer.by_session, answer.by_node, answer.by_device) == (
            Verdict.OCCUPIED,
            "s1",
            "n1",
            "laptop-01",
        )
        assert (await world.store.claim(phone, replace(rules, cap=1))).verdict is Verdict.OCCUPIED
        assert (await world.store.claim(seat("s3", 2), rules)).verdict is Verdict.OK, "its own device passes"
        await world.store.release((seat("s3", 2),))
        assert (await world.store.claim(phone, rules)).verdict is Verdict.OK

    async def test_reject_never_protects_a_seat_in_grace(self, world: StoreWorld) -> None:
        rules = by(CAP, policy=RoomPolicy.REJECT)
        phone = seat("s2", 1, device="phone-001", node="n2")
        await world.store.claim(seat("s1", 1), rules)
        assert (await world.store.touch((seat("s1", 1, in_grace=True),)))[0].verdict is Verdict.OK
        assert (await world.store.touch((seat("s1", 1),)))[0].verdict is Verdict.OK
        assert (await world.store.claim(phone, rules)).verdict is Verdict.OCCUPIED, "the flag is the last renewal's"
        assert (await world.store.assert_seats((seat("s1", 1, in_grace=True),)))[0].verdict is Verdict.OK
        assert (await world.store.claim(phone, rules)).verdict is Verdict.OK
        assert (await world.store.touch((seat("s1", 1, in_grace=True),)))[0].verdict is Verdict.SUPERSEDED
        late = seat("s3", 1, device="tablet-01")
        assert (await world.store.claim(late, rules)).verdict is Verdict.OCCUPIED, "the flag went with its seat"

    async def test_reject_does_not_protect_who_was_asked_in_vain_nor_a_lapsed_seat(self, world: StoreWorld) -> None:
        rules = by(CAP, policy=RoomPolicy.REJECT)
        await world.store.claim(seat("s1", 1), rules)
        phone = seat("s2", 1, device="phone-001")
        other = await world.store.claim(phone, rules, silent=SessionId("s9"))
        assert other.verdict is Verdict.OCCUPIED, "somebody else was silent"
        assert (await world.store.claim(phone, rules, silent=SessionId("s1"))).verdict is Verdict.OK
        await world.advance(LEASE_S + 0.1)
        assert (await world.store.claim(seat("s3", 1, device="tablet-01"), rules)).verdict is Verdict.OK

    async def test_an_attempt_of_the_device_under_another_policy_is_its_own(self, world: StoreWorld) -> None:
        multi = RoomPolicy.MULTI
        await world.store.claim(seat("s2", 2), by(1))
        old = await world.store.claim(seat("s1", 1, policy=multi), by(1, policy=multi))
        assert (old.verdict, old.highest_attempt) == (Verdict.SUPERSEDED, 2)
        newer = seat("s3", 3, node="n2", policy=multi)
        assert (await world.store.claim(newer, by(1, policy=multi, locked=True))).verdict is Verdict.OK
        assert await world.store.nodes_of(ROOM) == {"n2"}, "a device sits once"
        assert (await world.store.touch((seat("s2", 2),)))[0].verdict is Verdict.SUPERSEDED
        assert (await world.store.assert_seats((seat("s2", 2, epoch=9 * START_MS),)))[0].verdict is Verdict.SUPERSEDED
        back = seat("s4", 4)
        assert (await world.store.claim(back, by(1))).verdict is Verdict.OK
        assert (await world.store.touch((newer,)))[0].verdict is Verdict.SUPERSEDED

    async def test_every_change_names_the_rooms_other_nodes(self, world: StoreWorld) -> None:
        await world.store.claim(seat("s1", 1), by(CAP))
        second = await world.store.claim(seat("s2", 1, user="bob", node="n2"), by(CAP))
        ann = seat("s1", 1, epoch=1)
        elsewhere = seat("s9", 1, room="attic", epoch=1)
        touched, lost = await world.store.touch((ann, elsewhere))
        (stated,) = await world.store.assert_seats((ann,))
        assert [second.nodes, touched.nodes, lost.nodes, stated.nodes] == [{"n1"}, {"n2"}, frozenset(), {"n2"}]
        assert await world.store.nodes_of(ROOM) == {"n1", "n2"}

    async def test_a_seat_that_moved_leaves_its_node(self, world: StoreWorld) -> None:
        await world.store.claim(seat("s1", 1), by(CAP))
        await world.store.claim(seat("s2", 2, node="n2"), by(CAP))
        assert await world.store.nodes_of(ROOM) == {"n2"}

    async def test_many_seats_in_one_call_answer_in_order(self, world: StoreWorld) -> None:
        seats = tuple(seat(f"s{n}", 1, user=f"user-{n}") for n in range(20))
        for one in seats[::2]:
            await world.store.claim(one, by(100))
        answers = await world.store.touch(tuple(replace(one, epoch=1) for one in seats))
        assert [answer.verdict for answer in answers] == [Verdict.OK, Verdict.UNKNOWN] * 10
        assert await world.store.touch(()) == ()

    async def test_an_eviction_meets_a_seat_at_its_renewal_and_not_who_comes_later(self, world: StoreWorld) -> None:
        ann = participant_id(ROOM, UserId("ann"), DeviceId("laptop-01"))
        held = seat("s1", 1, epoch=(await world.store.claim(seat("s1", 1), by(CAP))).epoch)
        bob = seat("s2", 1, user="bob", node="n2")
        bob = replace(bob, epoch=(await world.store.claim(bob, by(CAP))).epoch)
        await world.store.evict(ROOM, participant=ann, user=UserId("ann"))
        touched, other = await world.store.touch((held, bob))
        (stated,) = await world.store.assert_seats((held,))
        assert [touched.verdict, stated.verdict, other.verdict] == [Verdict.KICKED, Verdict.KICKED, Verdict.OK]
        await world.store.release((held,))
        # In the same millisecond, and on another node.
        again = seat("s3", 2, node="n2")
        claimed = await world.store.claim(again, by(CAP))
        assert claimed.verdict is Verdict.OK
        (renewed,) = await world.store.touch((replace(again, epoch=claimed.epoch),))
        assert renewed.verdict is Verdict.OK

    async def test_who_was_replaced_before_an_eviction_hears_that(self, world: StoreWorld) -> None:
        elder = seat("s1", 1, epoch=(await world.store.claim(seat("s1", 1), by(CAP))).epoch)
        await world.store.claim(seat("s2", 2, node="n2"), by(CAP))
        await world.store.evict(ROOM)
        assert (await world.store.touch((elder,)))[0].verdict is Verdict.SUPERSEDED

    async def test_an_eviction_of_all_ends_every_seat_and_no_later_one(self, world: StoreWorld) -> None:
        seats = [seat("s1", 1), seat("s2", 1, user="bob", node="n2", policy=RoomPolicy.MULTI)]
        held = [replace(one, epoch=(await world.store.claim(one, by(CAP))).epoch) for one in seats]
        await world.store.evict(ROOM)
        assert [answer.verdict for answer in await world.store.touch(tuple(held))] == [Verdict.DELETED] * 2
        # One that the store forgot does not come back either.
        (forgotten,) = await world.store.assert_seats((replace(seat("s9", 1, user="cal"), epoch=START_MS),))
        assert forgotten.verdict is Verdict.DELETED
        newer = seat("s3", 2)
        claimed = await world.store.claim(newer, by(CAP))
        assert (await world.store.touch((replace(newer, epoch=claimed.epoch),)))[0].verdict is Verdict.OK
        await world.advance(LEASE_S)
        elsewhere = seat("s4", 1, room="attic")
        assert (await world.store.claim(elsewhere, by(CAP))).epoch == START_MS + int(LEASE_S * 1000)

    async def test_an_eviction_is_remembered_as_long_as_a_tombstone(self, world: StoreWorld) -> None:
        await world.store.evict(ROOM)
        await world.advance(TOMBSTONE_S - 1)
        assert (await world.store.assert_seats((seat("s1", 1, epoch=START_MS),)))[0].verdict is Verdict.DELETED
        await world.advance(2)
        assert (await world.store.assert_seats((seat("s1", 1, epoch=START_MS),)))[0].verdict is Verdict.OK

    async def test_an_eviction_reaches_a_seat_whose_epoch_is_ahead_of_the_clock(self, world: StoreWorld) -> None:
        ahead = seat("s1", 1, epoch=START_MS + 60_000)
        ahead = replace(ahead, epoch=(await world.store.assert_seats((ahead,)))[0].epoch)
        ann = participant_id(ROOM, ahead.user, ahead.device)
        await world.store.evict(ROOM, participant=ann, user=ahead.user)
        assert (await world.store.touch((ahead,)))[0].verdict is Verdict.KICKED
        newer = seat("s2", 2)
        claimed = await world.store.claim(newer, by(CAP))
        assert (await world.store.touch((replace(newer, epoch=claimed.epoch),)))[0].verdict is Verdict.OK
