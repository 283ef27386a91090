//! Takes one outgoing stream to the layer that it is to have, packet by packet, at the places where
//! a decoder can follow.
//!
//! - To another encoding: at the first packet of a keyframe of that encoding. Until it comes the
//!   current one goes on, thinned out if the way is down. Where it comes in the midst of a picture
//!   of the current one, as packets of two encodings do when their pictures are taken together, it
//!   is held until that picture ends: some receivers show half a picture, and all miss it.
//! - Down inside a stream: between two pictures.
//! - Up in time: at a frame that says so, layer by layer. Up in space: at a frame that needs nothing before it.
//!
//! A stream that was never seen to have a keyframe (its payload cannot be read, and no header
//! extension describes it) is begun anywhere: its receiver may know better.

use super::Layer;
use crate::engine::media::packet::MediaPacket;
use crate::engine::media::rewrite::SourceRun;

/// More spatial or temporal layers than there are.
const ALL: u8 = u8::MAX;

/// Packets of a keyframe that are held at most: 300 kB, which no browser's keyframe reaches.
const MAX_HELD: usize = 256;

/// Where to take a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// Nothing is to be sent.
    Pause,
    /// Nothing is known about the track yet: what comes first goes out.
    Any,
    Layer {
        layer: Layer,
        /// Encodings (by bit) that may be begun with while nothing goes out: no larger ones.
        begin_with: u8,
        /// The way is down: less of the current encoding until the new one begins.
        relieve: bool,
    },
}

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send it.
    Forward {
        marker: bool,
        /// Its stream begins here, or begins again.
        begins: bool,
    },
    /// It belongs to the stream that goes out, and is left out of it: numbers close up behind it.
    Drop {
        /// So is everything of its picture.
        picture: bool,
    },
    /// It is of a stream that does not go out, or not yet.
    Ignore,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    encoding: u8,
    run: SourceRun,
    spatial: u8,
    temporal: u8,
    /// Newest sequence number, and the time stamp of its picture.
    newest: u64,
    time: u32,
    /// The highest spatial layer that was seen.
    above: u8,
    /// Of its newest picture a part was sent, and more is to come.
    open: bool,
}

/// The state of one outgoing stream.
#[derive(Debug)]
pub struct Selector {
    aim: Aim,
    current: Option<Current>,
    /// Encodings (by bit) in which a keyframe was seen.
    structured: u8,
    /// The beginning of another encoding, while a picture of the current one is unfinished.
    held: Vec<MediaPacket>,
    /// What goes out is over: its encoding comes from another source now, whose keyframe was missed.
    adrift: bool,
}

impl Default for Selector {
    fn default() -> Self {
        Self {
            aim: Aim::Any,
            current: None,
            structured: 0,
            held: Vec::new(),
            adrift: false,
        }
    }
}

impl Selector {
    /// Forget the source; the aim stays.
    pub fn restart(&mut self) {
        self.current = None;
        self.structured = 0;
        self.held.clear();
        self.adrift = false;
    }

    /// Aim elsewhere. `structured` are the encodings (by bit) known to have keyframes.
    pub fn aim(&mut self, aim: Aim, structured: u8) {
        self.aim = aim;
        self.structured |= structured;
        let wanted = |held: &MediaPacket| matches!(aim, Aim::Layer { layer, .. } if layer.encoding == held.layering.encoding);
        if !self.held.first().is_none_or(wanted) {
            self.held.clear();
        }
    }

    /// What was held and is to be taken before this packet, because nothing more of the unfinished
    /// picture will come.
    pub fn release_before(&mut self, packet: &MediaPacket) -> Vec<MediaPacket> {
        let (Some(first), Some(current)) = (self.held.first(), &mut self.current) else {
            return Vec::new();
        };
        let encoding = packet.layering.encoding;
        let over = if encoding == current.encoding {
            packet.run != current.run
                || (packet.sequence > current.newest && packet.time != current.time)
        } else {
            encoding == first.layering.encoding
                && ((packet.run, packet.time) != (first.run, first.time)
                    || self.held.len() == MAX_HELD)
        };
        current.open &= !over;
        self.release()
    }

    /// What was held and is to be taken now, because the picture before is finished.
    pub fn release(&mut self) -> Vec<MediaPacket> {
        if self.current.is_some_and(|current| current.open) {
            return Vec::new();
        }
        std::mem::take(&mut self.held)
    }

    /// Where it is to go.
    #[must_use]
    pub fn aimed(&self) -> Aim {
        self.aim
    }

    /// What goes out now.
    #[must_use]
    pub fn current(&self) -> Option<Layer> {
        self.current.map(|current| Layer {
            encoding: current.encoding,
            spatial: current.spatial,
            temporal: current.temporal,
        })
    }

    /// The encoding that a keyframe is waited for of.
    #[must_use]
    pub fn waits_for(&self) -> Option<u8> {
        match (self.aim, self.current) {
            (Aim::Any, Some(current)) if self.adrift => Some(current.encoding),
            (Aim::Pause, _) | (Aim::Any, Some(_)) => None,
            (Aim::Any, None) => Some(0),
            (Aim::Layer { layer, .. }, None) => Some(layer.encoding),
            (Aim::Layer { layer, .. }, Some(_)) if self.adrift => Some(layer.encoding),
            (Aim::Layer { layer, .. }, Some(current)) => (current.encoding != layer.encoding
                || (layer.spatial > current.spatial && current.above > current.spatial))
                .then_some(layer.encoding),
        }
    }

    /// Decide about the next packet of the track.
    pub fn take(&mut self, packet: &MediaPacket) -> Verdict {
        let layering = &packet.layering;
        if layering.keyframe {
            self.structured |= bit(layering.encoding);
        }
        let of_current = self
            .current
            .is_some_and(|at| at.encoding == layering.encoding && at.run == packet.run);
        if of_current {
            return self.take_current(packet);
        }
        let welcome = match (self.aim, &self.current) {
            (Aim::Pause, _) => false,
            (Aim::Any, None) => true,
            (Aim::Any, Some(at)) => at.encoding == layering.encoding,
            (Aim::Layer { begin_with, .. }, None) => begin_with & bit(layering.encoding) != 0,
            (Aim::Layer { layer, .. }, Some(_)) => layer.encoding == layering.encoding,
        };
        let goes_on = self.held.first().is_some_and(|first| {
            (first.layering.encoding, first.run, first.time)
                == (layering.encoding, packet.run, packet.time)
        });
        if goes_on {
            self.held.push(packet.clone());
            return Verdict::Ignore;
        }
        let unstructured = self.structured & bit(layering.encoding) == 0;
        let opens = layering.keyframe && layering.begins_frame && layering.spatial == 0;
        if !welcome || !(opens || unstructured) {
            let same = |at: &Current| at.encoding == layering.encoding;
            self.adrift |= welcome && self.current.as_ref().is_some_and(same);
            return Verdict::Ignore;
        }
        let unfinished = |at: &Current| at.open && at.encoding != layering.encoding;
        if self.current.as_ref().is_some_and(unfinished) {
            self.held = vec![packet.clone()];
            return Verdict::Ignore;
        }
        let (spatial, temporal) = self.reach(layering.encoding);
        let mut current = Current {
            encoding: layering.encoding,
            run: packet.run,
            spatial,
            temporal,
            newest: packet.sequence,
            time: packet.time,
            above: 0,
            open: false,
        };
        let verdict = judge(&current, packet, true);
        current.open = leaves_open(&current, packet, verdict);
        self.current = Some(current);
        self.adrift = false;
        verdict
    }

    fn take_current(&mut self, packet: &MediaPacket) -> Verdict {
        let layering = &packet.layering;
        let (spatial, temporal) = self.reach(layering.encoding);
        let Some(current) = &mut self.current else {
            return Verdict::Ignore;
        };
        if packet.sequence > current.newest {
            current.newest = packet.sequence;
            self.adrift = false;
            if packet.time != current.time {
                if self.aim == Aim::Pause {
                    self.current = None;
                    return Verdict::Ignore;
                }
                current.time = packet.time;
                current.open = false;
                current.spatial = current.spatial.min(spatial);
                current.temporal = current.temporal.min(temporal);
            }
            if layering.begins_frame {
                if layering.keyframe && layering.spatial == 0 {
                    (current.spatial, current.temporal) = (spatial, temporal);
                } else if layering.keyframe
                    && layering.spatial <= spatial
                    && layering.spatial == current.spatial.saturating_add(1)
                {
                    current.spatial = layering.spatial;
                }
                if layering.switch_up
                    && layering.temporal <= temporal
                    && layering.temporal == current.temporal.saturating_add(1)
                {
                    current.temporal = layering.temporal;
                }
            }
            current.above = current.above.max(layering.spatial);
            let verdict = judge(current, packet, false);
            current.open = leaves_open(current, packet, verdict);
            return verdict;
        }
        judge(current, packet, false)
    }

    /// How much of an encoding is to go out.
    fn reach(&self, encoding: u8) -> (u8, u8) {
        match self.aim {
            Aim::Pause | Aim::Any => (ALL, ALL),
            Aim::Layer { layer, .. } if layer.encoding == encoding => {
                (layer.spatial, layer.temporal)
            }
            Aim::Layer { relieve, .. } => {
                if relieve {
                    (0, 0)
                } else {
                    (ALL, ALL)
                }
            }
        }
    }
}

fn judge(current: &Current, packet: &MediaPacket, begins: bool) -> Verdict {
    let layering = &packet.layering;
    if layering.temporal > current.temporal {
        return Verdict::Drop { picture: true };
    }
    if layering.spatial > current.spatial {
        return Verdict::Drop { picture: false };
    }
    // Of an SVC picture the receiver's last packet is the last one that it gets.
    let last = layering.ends_frame
        && layering.spatial == current.spatial
        && current.above > current.spatial;
    Verdict::Forward {
        marker: packet.marker || last,
        begins,
    }
}

/// Whether a receiver waits for more of the picture after its newest packet.
fn leaves_open(current: &Current, packet: &MediaPacket, verdict: Verdict) -> bool {
    let layering = &packet.layering;
    match verdict {
        Verdict::Forward { marker, .. } => {
            let top = current.spatial.min(current.above);
            let ends = marker || (layering.ends_frame && layering.spatial >= top);
            !ends
        }
        Verdict::Drop { .. } | Verdict::Ignore => {
            current.open && layering.spatial <= current.spatial
        }
    }
}

/// The bit of an encoding in a set of encodings.
#[must_use]
pub fn bit(encoding: u8) -> u8 {
    1u8.checked_shl(u32::from(encoding)).unwrap_or(0)
}

#[cfg(test)]
pub(super) mod tests;
