//! The statistics of an engine out of those of its workers.

use std::collections::BTreeMap;

use crate::control::messages::{
    LegStatistics, LineStatistics, Message, PeerStatistics, TrackStatistics, WorkerStatistics,
};
use crate::control::outgoing::Outgoing;

/// Rows of each kind in one reply. A row takes up to 600 bytes with the longest names, three kinds of
/// them fill a frame at most half.
const PAGE_ROWS: usize = 250;

/// Lines are small rows and many: with the longest names they fill a third of a frame.
const PAGE_LINES: usize = 1000;

/// What the engine as a whole says of itself.
#[derive(Debug, Default, Clone)]
pub struct Own {
    pub counters: BTreeMap<String, u64>,
    /// Resident memory of the process.
    pub memory_bytes: u64,
    /// Waiting to be read by the node.
    pub queued_bytes: u64,
}

impl Own {
    /// Read it.
    #[must_use]
    pub fn read(counters: &BTreeMap<&'static str, u64>, outgoing: &Outgoing) -> Self {
        let mut own = Self {
            counters: counters
                .iter()
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect(),
            memory_bytes: resident_bytes().unwrap_or(0),
            queued_bytes: outgoing.queued_bytes(),
        };
        let dropped = outgoing.dropped();
        own.counters.insert("events_dropped".to_owned(), dropped);
        own
    }
}

/// Resident memory of this process (proc(5), `VmRSS`); `None` where the system does not tell.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// What the workers have answered so far.
#[derive(Debug, Default)]
pub struct Merged {
    workers: Vec<WorkerStatistics>,
    peers: Vec<PeerStatistics>,
    tracks: BTreeMap<String, TrackStatistics>,
    legs: Vec<LegStatistics>,
    lines: Vec<LineStatistics>,
    counters: BTreeMap<String, u64>,
    memory_bytes: u64,
    queued_bytes: u64,
}

impl Merged {
    /// Add the counters of one worker, or of the dispatcher.
    pub fn count(&mut self, counters: BTreeMap<String, u64>) {
        for (name, count) in counters {
            *self.counters.entry(name).or_default() += count;
        }
    }

    /// Add what the engine as a whole says.
    pub fn own(&mut self, own: Own) {
        self.count(own.counters);
        self.memory_bytes = own.memory_bytes;
        self.queued_bytes = own.queued_bytes;
    }

    /// Add a worker's answer.
    pub fn add(&mut self, part: Message) {
        let Message::Statistics {
            workers,
            peers,
            tracks,
            legs,
            lines,
            counters,
            ..
        } = part
        else {
            return;
        };
        self.workers.extend(workers);
        self.peers.extend(peers);
        self.legs.extend(legs);
        self.lines.extend(lines);
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

    /// The answer to command `id`: all that is one of its kind, and a page of what is many.
    #[must_use]
    pub fn answer(mut self, id: u64, page: u64) -> Message {
        self.peers.sort_by(|one, other| one.peer.cmp(&other.peer));
        self.legs.sort_by(|one, other| {
            (&one.peer, one.leg, one.outgoing).cmp(&(&other.peer, other.leg, other.outgoing))
        });
        self.lines
            .sort_by(|one, other| (&one.peer, &one.track).cmp(&(&other.peer, &other.track)));
        self.workers.sort_by_key(|worker| worker.worker);
        let most = self.peers.len().max(self.tracks.len()).max(self.legs.len());
        let pages = most
            .div_ceil(PAGE_ROWS)
            .max(self.lines.len().div_ceil(PAGE_LINES));
        Message::Statistics {
            page,
            pages: pages.max(1) as u64,
            workers: self.workers,
            peers: rows(self.peers, page, PAGE_ROWS),
            tracks: rows(self.tracks.into_values(), page, PAGE_ROWS),
            legs: rows(self.legs, page, PAGE_ROWS),
            lines: rows(self.lines, page, PAGE_LINES),
            memory_bytes: self.memory_bytes,
            queued_bytes: self.queued_bytes,
            counters: self.counters,
            id,
        }
    }
}

fn rows<T>(all: impl IntoIterator<Item = T>, page: u64, most: usize) -> Vec<T> {
    let before = usize::try_from(page).unwrap_or(usize::MAX);
    all.into_iter()
        .skip(before.saturating_mul(most))
        .take(most)
        .collect()
}

/// A track is counted by the worker that has its source and by those it crosses to: its packets
/// once, its sinks wherever they are.
fn join(known: &mut TrackStatistics, other: &TrackStatistics) {
    known.relayed |= other.relayed;
    known.packets = known.packets.max(other.packets);
    known.bytes = known.bytes.max(other.bytes);
    known.keyframe_requests = known.keyframe_requests.max(other.keyframe_requests);
    known.nacks = known.nacks.max(other.nacks);
    known.subscribers += other.subscribers;
    known.legs += other.legs;
    known.jitter_ms = known.jitter_ms.or(other.jitter_ms);
    known.loss = known.loss.or(other.loss);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::frame::{MAX_FRAME_BYTES, encode};
    use crate::control::messages::{LineState, MediaKind, PeerKind, State};

    fn track(track: &str, packets: u64, subscribers: u64) -> TrackStatistics {
        TrackStatistics {
            track: track.into(),
            kind: MediaKind::Audio,
            codec: "opus".into(),
            relayed: false,
            packets,
            bytes: packets * 100,
            keyframe_requests: 0,
            nacks: 0,
            subscribers,
            legs: 1,
            jitter_ms: None,
            loss: None,
        }
    }

    fn part(peers: Vec<PeerStatistics>, tracks: Vec<TrackStatistics>) -> Message {
        Message::Statistics {
            page: 0,
            pages: 1,
            workers: Vec::new(),
            peers,
            tracks,
            legs: Vec::new(),
            lines: Vec::new(),
            memory_bytes: 0,
            queued_bytes: 0,
            counters: [("datagrams_out".to_owned(), 5)].into(),
            id: 0,
        }
    }

    #[test]
    fn a_track_that_crosses_is_one_track() {
        let mut merged = Merged::default();
        for (name, packets, subscribers) in [("t", 10, 2), ("t", 9, 3), ("u", 1, 1)] {
            merged.add(part(Vec::new(), vec![track(name, packets, subscribers)]));
        }
        let Message::Statistics {
            tracks, counters, ..
        } = merged.answer(7, 0)
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

    #[test]
    fn thousands_of_rows_come_in_pages_that_fit_a_frame() {
        const PEERS: usize = 2000;
        let name = |number: usize| format!("{number:0>128}");
        let peers = (0..PEERS).rev().map(|number| PeerStatistics {
            peer: name(number),
            kind: PeerKind::Subscriber,
            state: State::Connected,
            worker: u64::MAX,
            packets_in: u64::MAX,
            bytes_in: u64::MAX,
            packets_out: u64::MAX,
            bytes_out: u64::MAX,
            nacks: u64::MAX,
            keyframe_requests: u64::MAX,
            rtt_ms: Some(0.1),
            jitter_ms: Some(0.1),
            loss: Some(0.1),
            estimate_bps: Some(u64::MAX),
            desired_bps: Some(u64::MAX),
            handshake_ms: Some(0.1),
        });
        let tracks = (0..PEERS).map(|number| track(&name(number), u64::MAX / 100, u64::MAX));
        let lines = (0..PEERS).map(|number| LineStatistics {
            peer: name(number),
            track: name(number),
            state: LineState::Flowing,
            encoding: Some(u8::MAX),
            spatial: Some(u8::MAX),
            temporal: Some(u8::MAX),
            height: Some(u16::MAX),
            bitrate_bps: u64::MAX,
        });
        let mut whole = part(peers.collect(), tracks.collect());
        if let Message::Statistics { lines: none, .. } = &mut whole {
            none.extend(lines);
        }
        let mut seen = Vec::new();
        for page in 0.. {
            let mut merged = Merged::default();
            merged.add(whole.clone());
            let answer = merged.answer(1, page);
            assert!(encode(&answer).unwrap().len() < MAX_FRAME_BYTES * 2 / 3);
            let Message::Statistics { peers, pages, .. } = answer else {
                panic!("as made above");
            };
            seen.extend(peers.into_iter().map(|peer| peer.peer));
            if page + 1 >= pages {
                break;
            }
        }
        assert_eq!(seen, (0..PEERS).map(name).collect::<Vec<_>>());
        assert!(rows([1, 2, 3], u64::MAX, PAGE_ROWS).is_empty());
    }
}
