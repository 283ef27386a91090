"""All checks in order: settings and machine first, then the ports, then what only a running node knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import trio

from node.admin import Links, Members, StatusReport, ask_node
from node.admin.facts import Facts
from node.doctor.findings import Check, Examination, fail, ok, warn
from node.doctor.keys import check_certificate, check_cluster_keys, check_gossip_key, gossip_key_in_use
from node.doctor.machine import check_data_dir, check_engine, check_files, check_serf
from node.doctor.peers import check_each, check_gossip_udp, check_members, read_clock
from node.doctor.ports import check_free
from node.doctor.seeds import check_seeds
from node.doctor.standing import check_ready
from node.doctor.store import check_store
from node.errors import NodeStartError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.config import Config


async def examine(config: Config, data_dir: Path) -> Examination:
    """Examine the node that runs in a data folder; if none does, how one with these settings would fare.

    Args:
        config: What files, flags and environment say; a running node's own settings win.
        data_dir: Where it keeps its things.
    """
    facts: Facts | None = None
    unanswered: Check | None = None
    try:
        facts = await ask_node(data_dir, "facts", Facts)
    except NodeStartError as error:
        if error.code != "not_running":
            unanswered = fail("node", error.message, error.next_step or "restart it")
    if facts is not None:
        config = facts.config
    checks = [ok("config", f"node {config.node.id} in region {config.node.region}, cluster {config.node.cluster}")]
    checks += await trio.to_thread.run_sync(_look_at_machine, config, facts)
    checks += await check_store(config)
    if facts is not None:
        checks += await _look_at_node(facts, data_dir)
    elif unanswered is not None:
        checks.append(unanswered)
    else:
        checks.append(warn("node", f"no node runs in {data_dir}", "starling up"))
        checks += check_free(config)
        checks += await _ask_seeds(config, data_dir)
    return Examination(running=facts is not None, checks=tuple(checks))


def examine_machine() -> Examination:
    """What can be looked at without any settings, when those are wrong."""
    return Examination(running=False, checks=(check_engine(), check_serf("serf", is_needed=False)))


def _look_at_machine(config: Config, facts: Facts | None) -> tuple[Check, ...]:
    files = (
        check_files(config)
        if facts is None
        else check_files(config, limit=facts.files_allowed, in_use=facts.files_open)
    )
    return (
        check_data_dir(config),
        check_engine(),
        check_serf(config.mesh.serf, is_needed=config.mesh.is_on and not config.mesh.rpc),
        files,
        check_cluster_keys(config),
        check_gossip_key(config),
        check_certificate(config),
    )


async def _look_at_node(facts: Facts, data_dir: Path) -> tuple[Check, ...]:
    checks = [*_look_at_parts(facts), await _look_at_http(facts)]
    try:
        checks += check_ready(await ask_node(data_dir, "status", StatusReport))
    except NodeStartError as error:
        checks.append(fail("ready", error.message, error.next_step or "look at the log: starling monitor"))
    if facts.agent_up is None:
        return tuple(checks)
    checks += await _ask_seeds(facts.config, data_dir)
    try:
        members = (await ask_node(data_dir, "members", Members)).members
        links = (await ask_node(data_dir, "links", Links)).links
        key = gossip_key_in_use(facts.config, data_dir)
    except NodeStartError as error:
        return (*checks, fail("peers", error.message, error.next_step or "look at the log: starling monitor"))
    me = next((one for one in members if one.me), None)
    if me is not None and key is not None:
        own = await check_gossip_udp(me.node, me.address, key)
        checks.append(msgspec.structs.replace(own, name="udp.gossip.own"))
    peers = tuple(one for one in members if not one.me and one.state in ("alive", "draining", "ineligible"))
    return (*checks, *check_members(members), *await check_each(peers, links, key))


def _look_at_parts(facts: Facts) -> Iterator[Check]:
    if facts.engine_serves:
        yield ok("engine", f"takes media at {', '.join(facts.media_addresses)}")
    else:
        yield fail("engine", "it is being replaced", "look again in some seconds; starling monitor says why")
    if facts.agent_up is None:
        return
    if facts.agent_up:
        again = f", started again {facts.agent_restarts} times" if facts.agent_restarts else ""
        yield ok("serf.agent", f"answers{again}")
    else:
        yield fail("serf.agent", "it does not answer; it is being started again", "starling monitor --source node")


async def _ask_seeds(config: Config, data_dir: Path) -> tuple[Check, ...]:
    if not config.mesh.is_on:
        return ()
    try:
        key = await trio.to_thread.run_sync(gossip_key_in_use, config, data_dir)
    except NodeStartError:
        return ()  # keys.gossip says so
    return await check_seeds(config, key)


async def _look_at_http(facts: Facts) -> Check:
    import httpx

    try:
        await read_clock(facts.url)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        said = f"{facts.url} does not answer from here: {str(error) or type(error).__name__}"
        return warn("http", said, f"curl -i {facts.url}/healthz; if others reach it, all is well")
    return ok("http", f"{facts.url} answers")
