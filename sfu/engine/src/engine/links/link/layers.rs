//! What goes out on a link's legs: what the other end wants, without what the path does not carry.

use std::time::{Duration, Instant};

use super::Link;
use crate::engine::layers::demand::Wanted;
use crate::engine::layers::selector::bit;
use crate::engine::media::packet::MediaPacket;
use crate::engine::router::TrackKey;

/// The rate of sound is counted over at least this.
const SOUND_WINDOW: Duration = Duration::from_millis(500);

/// A leg of which not all goes out that is wanted.
#[derive(Debug)]
pub(super) struct Shed {
    wanted: Wanted,
    /// What the path carries of it.
    granted: Wanted,
    /// Encodings that come back with their next keyframe: what comes before cannot be decoded.
    waits: u8,
    /// Up to this spatial layer it goes out until its next keyframe.
    spatial: u8,
}

impl Shed {
    fn carried(&self) -> Wanted {
        Wanted {
            encodings: self.wanted.encodings & self.granted.encodings & !self.waits,
            spatial: self.wanted.spatial.min(self.spatial),
        }
    }

    fn is_over(&self) -> bool {
        self.granted == Wanted::ALL && self.waits == 0 && self.spatial == u8::MAX
    }
}

/// Bit/s of sound on a link.
#[derive(Debug)]
pub(super) struct SoundRate {
    bytes: u64,
    since: Instant,
    bps: u64,
}

impl SoundRate {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            bytes: 0,
            since: now,
            bps: 0,
        }
    }

    pub(super) fn count(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    fn measure(&mut self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= SOUND_WINDOW {
            self.bps = self.bytes * 8 * 1000 / elapsed.as_millis() as u64;
            (self.bytes, self.since) = (0, now);
        }
        self.bps
    }
}

impl Link {
    /// Note what the other end wants of a leg. Returns its track if that is news.
    pub fn want_out(&mut self, leg: u32, wanted: Wanted) -> Option<TrackKey> {
        let out = self.legs_out.get_mut(&leg)?;
        let before = match self.shed.get_mut(&leg) {
            Some(shed) => {
                let before = std::mem::replace(&mut shed.wanted, wanted);
                out.wanted = shed.carried();
                before
            }
            None => std::mem::replace(&mut out.wanted, wanted),
        };
        (before != wanted).then_some(out.track)
    }

    /// What the other end wants of a leg.
    #[must_use]
    pub fn wanted_out(&self, leg: u32) -> Wanted {
        let shed = self.shed.get(&leg).map(|shed| shed.wanted);
        let out = || self.legs_out.get(&leg).map(|out| out.wanted);
        shed.or_else(out).unwrap_or(Wanted::ALL)
    }

    /// What the path carries of a leg.
    #[must_use]
    pub fn granted_out(&self, leg: u32) -> Wanted {
        self.shed.get(&leg).map_or(Wanted::ALL, |shed| shed.granted)
    }

    /// The encodings of a leg (by bit) that come back with their next keyframe.
    #[must_use]
    pub fn awaited_out(&self, leg: u32) -> u8 {
        self.shed.get(&leg).map_or(0, |shed| {
            let larger = if shed.spatial < shed.granted.spatial {
                shed.granted.encodings
            } else {
                0
            };
            (shed.waits | larger) & shed.wanted.encodings
        })
    }

    /// The legs that go out, in order, with their tracks.
    #[must_use]
    pub fn tracks_out(&self) -> Vec<(u32, TrackKey)> {
        let mut legs: Vec<_> = self
            .legs_out
            .iter()
            .map(|(number, leg)| (*number, leg.track))
            .collect();
        legs.sort_unstable();
        legs
    }

    /// The track that comes in on a leg.
    #[must_use]
    pub fn track_in(&self, leg: u32) -> Option<TrackKey> {
        self.legs_in.get(&leg).map(|leg| leg.track)
    }

    /// Whether anything that is wanted does not go out.
    #[must_use]
    pub fn sheds(&self) -> bool {
        !self.shed.is_empty()
    }

    /// Bit/s of sound.
    pub fn sound_bps(&mut self, now: Instant) -> u64 {
        self.sound.measure(now)
    }

    /// Let a leg carry so much at most. What it did not carry before comes with the next keyframe of an encoding, if its
    /// packets tell one (`structured`, by bit).
    pub fn grant(&mut self, leg: u32, granted: Wanted, structured: u8) {
        let Some(out) = self.legs_out.get_mut(&leg) else {
            return;
        };
        if granted == Wanted::ALL && !self.shed.contains_key(&leg) {
            return;
        }
        let wanted = out.wanted;
        let shed = self.shed.entry(leg).or_insert(Shed {
            wanted,
            granted: Wanted::ALL,
            waits: 0,
            spatial: u8::MAX,
        });
        let gained = granted.encodings & !shed.granted.encodings;
        shed.waits = (shed.waits | gained & structured) & granted.encodings;
        if granted.spatial < shed.spatial || structured == 0 {
            shed.spatial = granted.spatial;
        }
        shed.granted = granted;
        self.settle_shed(leg);
    }

    /// A packet is about to go out: what waited for its keyframe need wait no more.
    pub(super) fn admit(&mut self, leg: u32, packet: &MediaPacket) {
        if !packet.layering.keyframe {
            return;
        }
        let Some(shed) = self.shed.get_mut(&leg) else {
            return;
        };
        shed.waits &= !bit(packet.layering.encoding);
        shed.spatial = shed.granted.spatial;
        self.settle_shed(leg);
    }

    fn settle_shed(&mut self, leg: u32) {
        let (Some(out), Some(shed)) = (self.legs_out.get_mut(&leg), self.shed.get(&leg)) else {
            return;
        };
        out.wanted = shed.carried();
        if shed.is_over() {
            self.shed.remove(&leg);
        }
    }
}
