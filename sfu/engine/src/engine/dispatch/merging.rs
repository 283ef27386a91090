//! The statistics of an engine out of those of its workers.

use std::collections::BTreeMap;

use crate::control::messages::{Message, PeerStatistics, TrackStatistics};

/// What the workers have answered so far.
#[derive(Debug, Default)]
pub struct Merged {
    peers: Vec<PeerStatistics>,
    tracks: BTreeMap<String, TrackStatistics>,
    counters: BTreeMap<String, u64>,
}

impl Merged {
    /// Add the counters of one worker, or of the dispatcher.
    pub fn count(&mut self, counters: BTreeMap<String, u64>) {
        for (name, count) in counters {
            *self.counters.entry(name).or_default() += count;
        }
    }

    /// Add a worker's answer.
    pub fn add(&mut self, part: Message) {
        let Message::Statistics {
            peers,
            tracks,
            counters,
            ..
        } = part
        else {
            return;
        };
        self.peers.extend(peers);
        for track in tracks {
            match self.tracks.get_mut(&track.track) {
                Some(known) => join(known, &track),
                None => {
                    self.tracks.insert(track.track.clone(), track);
                }
            }
        }
        self.count(counters);
    }

    /// The answer to command `id`.
    #[must_use]
    pub fn answer(self, id: u64) -> Message {
        Message::Statistics {
            peers: self.peers,
            tracks: self.tracks.into_values().collect(),
            counters: self.counters,
            id,
        }
    }
}

/// A track is counted by the worker that has its source and by those it crosses to: its packets
/// once, its sinks wherever they are.
fn join(known: &mut TrackStatistics, other: &TrackStatistics) {
    known.relayed |= other.relayed;
    known.packets = known.packets.max(other.packets);
    known.bytes = known.bytes.max(other.bytes);
    known.keyframe_requests = known.keyframe_requests.max(other.keyframe_requests);
    known.subscribers += other.subscribers;
    known.legs += other.legs;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::messages::MediaKind;

    fn part(track: &str, packets: u64, subscribers: u64) -> Message {
        Message::Statistics {
            peers: Vec::new(),
            tracks: vec![TrackStatistics {
                track: track.into(),
                kind: MediaKind::Audio,
                codec: "opus".into(),
                relayed: false,
                packets,
                bytes: packets * 100,
                keyframe_requests: 0,
                subscribers,
                legs: 1,
            }],
            counters: [("datagrams_out".to_owned(), 5)].into(),
            id: 0,
        }
    }

    #[test]
    fn a_track_that_crosses_is_one_track() {
        let mut merged = Merged::default();
        for (track, packets, subscribers) in [("t", 10, 2), ("t", 9, 3), ("u", 1, 1)] {
            merged.add(part(track, packets, subscribers));
        }
        let Message::Statistics {
            tracks, counters, ..
        } = merged.answer(7)
        else {
            panic!("as made above");
        };
        let shown: Vec<_> = tracks
            .iter()
            .map(|track| (track.packets, track.subscribers, track.legs))
            .collect();
        assert_eq!(shown, [(10, 5, 2), (1, 1, 1)]);
        assert_eq!(counters["datagrams_out"], 15);
    }
}
