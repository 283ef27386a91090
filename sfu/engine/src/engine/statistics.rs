//! All numbers of a worker, as the node reads them.
//!
//! Nothing is measured for a reading: it copies what stands there. The transports say their part
//! every [`STATS_INTERVAL`](super::peers::measured::STATS_INTERVAL).

use std::time::Instant;

use super::layers::line::LineLayers;
use super::peers::peer::Role;
use super::router::{Source, Track};
use super::worker::Worker;
use crate::control::messages::{
    LegStatistics, LineState, LineStatistics, MediaKind, Message, TrackStatistics, WorkerStatistics,
};

/// Read everything that this worker has; the dispatcher puts it together with the others'.
pub(super) fn read(worker: &Worker, id: u64, now: Instant) -> Message {
    let peers = worker.peers.iter();
    let tracks: Vec<TrackStatistics> = worker
        .router
        .iter()
        .filter_map(|each| track(worker, each))
        .collect();
    let load = worker.load;
    Message::Statistics {
        page: 0,
        pages: 1,
        workers: vec![WorkerStatistics {
            worker: worker.index as u64,
            peers: worker.peers.len() as u64,
            tracks: tracks.len() as u64,
            turns: load.turns,
            busy_ms: load.busy.as_millis() as u64,
            waiting: worker.mail.len() as u64,
        }],
        peers: peers
            .map(|(_, peer)| peer.statistics(worker.index, now))
            .collect(),
        tracks,
        legs: legs(worker),
        lines: lines(worker, now),
        memory_bytes: 0,
        queued_bytes: 0,
        counters: worker.counters.snapshot(),
        id,
    }
}

/// A track counts from its first packet.
fn track(worker: &Worker, track: &Track) -> Option<TrackStatistics> {
    let codec = track.codec?;
    let legs = track.sinks.iter().filter(|sink| sink.leg).count();
    let source = match track.source {
        Some(Source::Publisher { peer, mid }) => {
            worker.peers.get(peer).map(|peer| (&peer.measured, mid))
        }
        _ => None,
    };
    let streams = || {
        source
            .into_iter()
            .flat_map(|(measured, mid)| measured.of_line(mid))
    };
    let jitter = streams().map(|stream| stream.jitter).max();
    Some(TrackStatistics {
        track: track.id.clone(),
        kind: track.kind.unwrap_or(MediaKind::Video),
        codec: codec.name().to_owned(),
        relayed: matches!(track.source, Some(Source::Leg { .. })),
        packets: track.packets,
        bytes: track.bytes,
        keyframe_requests: track.keyframe_requests,
        nacks: streams().map(|stream| stream.nacks).sum(),
        subscribers: (track.sinks.len() - legs) as u64,
        legs: legs as u64,
        jitter_ms: jitter.map(|ticks| f64::from(ticks) * 1000.0 / f64::from(codec.ticks_per_s())),
        loss: streams().filter_map(|stream| stream.loss).reduce(f64::max),
    })
}

fn legs(worker: &Worker) -> Vec<LegStatistics> {
    let links = worker
        .peers
        .iter()
        .filter_map(|(_, peer)| match &peer.role {
            Role::Link(link) => Some((peer, link)),
            _ => None,
        });
    links
        .flat_map(|(peer, link)| {
            link.legs()
                .map(|(leg, track, outgoing, carried)| LegStatistics {
                    peer: peer.name.clone(),
                    leg: u64::from(leg),
                    track: worker
                        .router
                        .get(track)
                        .map_or_else(String::new, |track| track.id.clone()),
                    outgoing,
                    packets: carried.packets,
                    bytes: carried.bytes,
                })
        })
        .collect()
}

fn lines(worker: &Worker, now: Instant) -> Vec<LineStatistics> {
    let mut lines = Vec::new();
    for (_, peer) in worker.peers.iter() {
        let Role::Subscriber(subscriber) = &peer.role else {
            continue;
        };
        for (key, layers) in subscriber.pictures() {
            if let Some(track) = worker.router.get(key) {
                lines.push(line(&peer.name, track, layers, now));
            }
        }
    }
    lines
}

fn line(peer: &str, track: &Track, layers: &LineLayers, now: Instant) -> LineStatistics {
    let current = layers.selector.current();
    let flows = current.and_then(|layer| track.layers.flowing_of(layer, now));
    let layer = flows.map(|(layer, _)| layer);
    LineStatistics {
        peer: peer.to_owned(),
        track: track.id.clone(),
        state: if layers.paused() {
            LineState::Paused
        } else if layers.starved() {
            LineState::Starved
        } else if flows.is_some() {
            LineState::Flowing
        } else {
            LineState::Waiting
        },
        encoding: layer.map(|layer| layer.encoding),
        spatial: layer.map(|layer| layer.spatial),
        temporal: layer.map(|layer| layer.temporal),
        height: layer.and_then(|layer| track.layers.height(layer)),
        bitrate_bps: flows.map_or(0, |(_, rate)| rate),
    }
}
