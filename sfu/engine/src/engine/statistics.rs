//! All counters, as the node reads them.

use std::time::Instant;

use super::router::{Source, Track};
use super::worker::Worker;
use crate::control::messages::{MediaKind, Message, TrackStatistics};

/// Read everything that this worker has; the dispatcher puts it together with the others'.
pub(super) fn read(worker: &Worker, id: u64, now: Instant) -> Message {
    Message::Statistics {
        peers: worker
            .peers
            .iter()
            .map(|(_, peer)| peer.statistics(now))
            .collect(),
        tracks: worker.router.iter().filter_map(track).collect(),
        counters: worker.counters.snapshot(),
        id,
    }
}

/// A track counts from its first packet.
fn track(track: &Track) -> Option<TrackStatistics> {
    let codec = track.codec?;
    let legs = track.sinks.iter().filter(|sink| sink.leg).count();
    Some(TrackStatistics {
        track: track.id.clone(),
        kind: track.kind.unwrap_or(MediaKind::Video),
        codec: codec.name().to_owned(),
        relayed: matches!(track.source, Some(Source::Leg { .. })),
        packets: track.packets,
        bytes: track.bytes,
        keyframe_requests: track.keyframe_requests,
        subscribers: (track.sinks.len() - legs) as u64,
        legs: legs as u64,
    })
}
