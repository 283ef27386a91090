//! When which track sends what.

use std::time::{Duration, Instant};

use super::words::Shape;

/// 20 ms of speech at 32 kbit/s (RFC 7587).
const AUDIO_EVERY: Duration = Duration::from_millis(20);
const AUDIO_BYTES: usize = 80;

/// A packet to be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    pub track: usize,
    pub bytes: usize,
    /// It ends its picture.
    pub last: bool,
}

/// The packets of all video tracks, or of all audio tracks, in time.
pub struct Schedule {
    shape: Shape,
    tracks: Vec<(Instant, usize)>,
    /// Of the smooth shape, which takes the tracks in turn.
    turn: usize,
}

impl Schedule {
    /// Start now with so many tracks.
    pub fn new(shape: Shape, tracks: usize, now: Instant) -> Self {
        let starts = (0..tracks as u32)
            .map(|track| match &shape {
                Shape::Smooth { .. } => (now, 0),
                Shape::Frames { packets } => {
                    let of = |whole: Duration| whole * track / tracks as u32;
                    let pictures = packets.iter().filter(|(_, _, last)| *last).count() as u32;
                    let recorded = length(packets);
                    // Another part of the recording, and another moment between two pictures.
                    let begins = now + of(recorded / pictures.max(1));
                    (begins, begin_at(packets, of(recorded)))
                }
            })
            .collect();
        Self {
            shape,
            tracks: starts,
            turn: 0,
        }
    }

    /// One sound packet every 20 ms on each track.
    pub fn audio(tracks: usize, now: Instant) -> Self {
        let packets_per_s = tracks as f64 / AUDIO_EVERY.as_secs_f64();
        let shape = Shape::Smooth {
            packets_per_s,
            burst: 1,
            bytes: AUDIO_BYTES,
            at_once: 1,
        };
        Self::new(shape, tracks, now)
    }

    /// When the next packet is due.
    pub fn next(&self) -> Option<Instant> {
        match &self.shape {
            Shape::Smooth { .. } => self.tracks.first().map(|(at, _)| *at),
            Shape::Frames { .. } => self.tracks.iter().map(|(at, _)| *at).min(),
        }
    }

    /// Take what is due, in order; a sender that was held up catches up.
    pub fn take(&mut self, now: Instant, due: &mut Vec<Due>) {
        let Self {
            shape,
            tracks,
            turn,
        } = self;
        match shape {
            Shape::Smooth {
                packets_per_s,
                burst,
                bytes,
                at_once,
            } => {
                let count = tracks.len();
                let Some((at, _)) = tracks.first_mut() else {
                    return;
                };
                while *at <= now {
                    for _ in 0..*at_once {
                        due.extend((1..=*burst).map(|number| Due {
                            track: *turn % count,
                            bytes: *bytes,
                            last: number == *burst,
                        }));
                        *turn += 1;
                    }
                    let packets = (*burst * *at_once) as f64;
                    *at += Duration::from_secs_f64(packets / *packets_per_s);
                }
            }
            Shape::Frames { packets } => {
                for (track, (at, next)) in tracks.iter_mut().enumerate() {
                    while *at <= now {
                        let (_, bytes, last) = packets[*next];
                        due.push(Due { track, bytes, last });
                        *next = (*next + 1) % packets.len();
                        *at += Duration::from_micros(packets[*next].0);
                    }
                }
            }
        }
    }
}

fn length(packets: &[(u64, usize, bool)]) -> Duration {
    Duration::from_micros(packets.iter().map(|(gap, _, _)| gap).sum())
}

/// The first packet of the first picture that begins after `offset`.
fn begin_at(packets: &[(u64, usize, bool)], offset: Duration) -> usize {
    let mut passed = Duration::ZERO;
    let mut begins = true;
    for (index, (gap, _, last)) in packets.iter().enumerate() {
        passed += Duration::from_micros(*gap);
        if begins && passed >= offset {
            return index;
        }
        begins = *last;
    }
    0
}
