"""The numbers of ``/metrics``."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from accounts import AccountStatistics
from durable import RepositoryStatistics
from membership import MembershipStatistics
from node.conductor.measures import COUNTERS, collect_samples
from relay import RelayStatistics
from session import ChatStatistics, SessionStatistics
from sfu import SupervisionStatistics

RECORDS = {
    "engine": SupervisionStatistics,
    "sessions": SessionStatistics,
    "relay": RelayStatistics,
    "mesh": MembershipStatistics,
    "accounts": AccountStatistics,
    "durable": RepositoryStatistics,
    "chat": ChatStatistics,
}

ACCOUNTS = AccountStatistics(registered=1, logins=2, logins_refused=3, hashes=6, tokens_unchecked=0)

ENGINE = SupervisionStatistics(
    serving=True,
    epoch=2,
    failed_starts=0,
    outstanding=1,
    timeouts=0,
    refusals=3,
    late_replies=0,
    events_waiting=0,
)
SESSIONS = SessionStatistics(
    sessions=1,
    seats=1,
    seats_in_grace=0,
    seats_unconfirmed=0,
    rooms=1,
    joins_pending=0,
    degraded=False,
    outage_s=0.0,
    outages=0,
    joins=4,
    joins_degraded=0,
    joins_refused=0,
    seats_lost=0,
    store_failures=0,
)


@pytest.mark.parametrize("part", RECORDS)
def test_every_counter_is_a_field_of_its_record(part: str) -> None:
    """A field that was renamed would silently become a gauge."""
    assert COUNTERS[part] <= {field.name for field in fields(RECORDS[part])}


def test_absent_parts_have_no_samples_and_names_are_unique() -> None:
    """A node without a mesh says nothing of it; counters end in ``_total``."""
    samples = collect_samples(
        engine=ENGINE,
        sessions=SESSIONS,
        membership=None,
        relay=None,
        accounts=ACCOUNTS,
        durable=RepositoryStatistics(calls=5, failures=0, conflicts=0),
        chat=ChatStatistics(stored=1, unstored=0, unread=0, unreadable=0),
    )
    by_name = {sample.name: sample for sample in samples}
    assert len(by_name) == len(samples)
    assert by_name["engine_refusals_total"].value == 3
    assert by_name["engine_refusals_total"].kind == "counter"
    assert by_name["accounts_logins_refused_total"].value == 3
    assert by_name["durable_calls_total"].value == 5
    assert by_name["engine_serving"].kind == "gauge"
    assert not [name for name in by_name if name.startswith(("mesh", "relay"))]


def test_the_mesh_says_what_an_operator_watches_it_for() -> None:
    """Each by its name, as dashboards and alerts know it; what is counted by code has the code as a label."""
    numbers = {field.name: number for number, field in enumerate(fields(MembershipStatistics), start=1)}
    told: dict[str, Any] = {
        **numbers,
        "agent_is_up": True,
        "members_refused": {"uncertified": 2, "foreign_cluster": 1},
        "keys_refused": {"nodes_missing": 3},
        "join_problem": "no seed could be joined",
    }
    mesh = MembershipStatistics(**told)
    samples: dict[tuple[str, str | None], tuple[str, float]] = {
        (sample.name, sample.labels.get("what")): (sample.kind, sample.value)
        for sample in collect_samples(
            engine=ENGINE,
            sessions=SESSIONS,
            membership=mesh,
            relay=None,
            accounts=ACCOUNTS,
            durable=RepositoryStatistics(calls=5, failures=0, conflicts=0),
            chat=ChatStatistics(stored=1, unstored=0, unread=0, unreadable=0),
        )
    }
    counters = ("pings_sent", "pings_unanswered", "flaps", "agent_restarts", "joins_failed")
    expected: dict[tuple[str, str | None], tuple[str, float]] = {
        **{(f"mesh_{name}_total", None): ("counter", numbers[name]) for name in counters},
        ("mesh_seeds_missing", None): ("gauge", numbers["seeds_missing"]),
        ("mesh_agent_is_up", None): ("gauge", 1),
        ("mesh_members_refused_total", "uncertified"): ("counter", 2),
        ("mesh_members_refused_total", "foreign_cluster"): ("counter", 1),
        ("mesh_keys_refused_total", "nodes_missing"): ("counter", 3),
    }
    assert {key: samples[key] for key in expected} == expected
