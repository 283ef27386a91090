//! Which layer each packet of a stream is of: by its dependency descriptor, else by its payload.

use super::dependency_descriptor::{Descriptor, MAX_SPATIAL, Structure};
use super::{av1, h264, vp8, vp9};
use crate::engine::media::codec::Codec;
use crate::engine::media::packet::Layering;

/// Frames of one picture that are kept in mind: one for each spatial layer.
const MAX_FRAMES: usize = 8;

/// What is to be known of a packet.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    pub codec: Codec,
    pub time: u32,
    pub marker: bool,
    pub payload: &'a [u8],
    pub descriptor: Option<&'a [u8]>,
}

/// Reads the packets of one stream, in the order in which they come.
#[derive(Debug, Default)]
pub struct LayerReader {
    structure: Option<Structure>,
    /// Of the newest picture.
    time: Option<u32>,
    picture: Picture,
    entries: Entries,
}

/// Temporal layers, by bit and spatial layer, whose next frame is the first one since a frame below
/// it from which on they can be decoded. The frames of an uppermost layer are of use to no other one
/// and never say themselves that one may begin with them (AV1 RTP specification, appendix A.4).
#[derive(Debug, Clone, Copy, Default)]
struct Entries([u8; MAX_SPATIAL]);

impl Entries {
    /// Note a frame and up to which layers it switches; whether one may begin with its layer here.
    fn note(&mut self, spatial: u8, temporal: u8, switches: u8) -> bool {
        let Some(open) = self.0.get_mut(usize::from(spatial)) else {
            return false;
        };
        let own = 1u8.checked_shl(u32::from(temporal)).unwrap_or(0);
        let enters = (*open | switches) & own != 0;
        let above = !(own | own.wrapping_sub(1));
        *open = (*open & !own) | (switches & above);
        enters
    }
}

/// What is known of the newest picture.
#[derive(Debug, Default)]
struct Picture {
    /// It is a whole one, or begins as one.
    whole: bool,
    /// Its frames from which decoding may begin, by number.
    whole_frames: Vec<u16>,
    /// The layers of its last unit: (spatial, temporal).
    layers: (u8, u8),
}

impl LayerReader {
    /// Where a packet stands. What nothing is known of is of the base layer.
    pub fn read(&mut self, seen: Seen<'_>) -> Layering {
        let ahead = self
            .time
            .map_or(1, |newest| seen.time.wrapping_sub(newest) as i32);
        if ahead < 0 {
            // Came late: what is known is of the picture after it.
            let (picture, time) = (std::mem::take(&mut self.picture), self.time);
            let entries = self.entries;
            let layering = self.read_one(seen, false);
            (self.picture, self.time, self.entries) = (picture, time, entries);
            return layering;
        }
        if ahead > 0 {
            self.time = Some(seen.time);
            self.picture = Picture::default();
        }
        self.read_one(seen, ahead > 0)
    }

    fn read_one(&mut self, seen: Seen<'_>, begins_picture: bool) -> Layering {
        seen.descriptor
            .and_then(|descriptor| self.by_descriptor(descriptor))
            .or_else(|| self.by_payload(seen, begins_picture))
            .unwrap_or(Layering {
                begins_frame: begins_picture,
                ends_frame: seen.marker,
                ..Layering::default()
            })
    }

    fn by_descriptor(&mut self, bytes: &[u8]) -> Option<Layering> {
        let mut descriptor = Descriptor::read(bytes, self.structure.as_ref())?;
        if let Some(structure) = descriptor.structure.take() {
            self.structure = Some(structure);
            self.picture.whole = true;
        }
        let structure = self.structure.as_ref()?;
        // Needs nothing, or nothing but frames of its own picture of which that is true.
        let whole = self.picture.whole
            && descriptor.references.iter().all(|distance| {
                let needed = descriptor.number.wrapping_sub(*distance);
                self.picture.whole_frames.contains(&needed)
            });
        if whole
            && !self.picture.whole_frames.contains(&descriptor.number)
            && self.picture.whole_frames.len() < MAX_FRAMES
        {
            self.picture.whole_frames.push(descriptor.number);
        }
        let (spatial, temporal) = (descriptor.spatial, descriptor.temporal);
        let switches = descriptor.switches(structure);
        let switch_up = descriptor.begins_frame && self.entries.note(spatial, temporal, switches);
        Some(Layering {
            encoding: 0,
            spatial: descriptor.spatial,
            temporal: descriptor.temporal,
            keyframe: whole,
            switch_up,
            begins_frame: descriptor.begins_frame,
            ends_frame: descriptor.ends_frame,
            resolution: descriptor.size.filter(|_| whole),
        })
    }

    fn by_payload(&mut self, seen: Seen<'_>, begins_picture: bool) -> Option<Layering> {
        match seen.codec {
            Codec::Opus => None,
            Codec::Vp8 => {
                let read = vp8::read(seen.payload)?;
                self.picture.whole |= read.keyframe;
                Some(Layering {
                    keyframe: self.picture.whole,
                    ends_frame: seen.marker,
                    ..read
                })
            }
            Codec::Vp9 => vp9::read(seen.payload),
            Codec::H264 => {
                self.picture.whole |= h264::begins_whole_picture(seen.payload)?;
                Some(Layering {
                    keyframe: self.picture.whole,
                    switch_up: true,
                    begins_frame: begins_picture,
                    ends_frame: seen.marker,
                    ..Layering::default()
                })
            }
            Codec::Av1 => {
                let read = av1::read(seen.payload)?;
                self.picture.whole |= read.begins_sequence;
                let before = self.picture.layers;
                if let Some((temporal, spatial)) = read.layers {
                    self.picture.layers = (spatial, temporal);
                }
                let (spatial, temporal) = self.picture.layers;
                let next_layer = read.begins_unit && spatial != before.0;
                Some(Layering {
                    spatial,
                    temporal,
                    keyframe: self.picture.whole,
                    switch_up: temporal == 0,
                    begins_frame: begins_picture || next_layer,
                    ends_frame: seen.marker,
                    ..Layering::default()
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(codec: Codec, time: u32, payload: &[u8]) -> Seen<'_> {
        Seen {
            codec,
            time,
            marker: false,
            payload,
            descriptor: None,
        }
    }

    #[test]
    fn all_packets_of_a_whole_picture_are_of_a_keyframe() {
        let mut reader = LayerReader::default();
        let first = reader.read(seen(Codec::Vp8, 1, &[0x10, 0]));
        assert!(first.keyframe && first.begins_frame && !first.ends_frame);
        let second = reader.read(Seen {
            marker: true,
            ..seen(Codec::Vp8, 1, &[0x00, 9])
        });
        assert!(second.keyframe && !second.begins_frame && second.ends_frame);
        assert!(!reader.read(seen(Codec::Vp8, 2, &[0x10, 1])).keyframe);
    }

    #[test]
    fn parameters_begin_the_picture_that_follows_them() {
        let mut reader = LayerReader::default();
        let parameters = reader.read(seen(Codec::H264, 1, &[0x67, 1]));
        assert!(parameters.keyframe && parameters.begins_frame);
        let picture = reader.read(seen(Codec::H264, 1, &[0x7c, 0x85]));
        assert!(picture.keyframe && !picture.begins_frame);
        let next = reader.read(seen(Codec::H264, 2, &[0x41]));
        assert!(!next.keyframe && next.begins_frame);
    }

    #[test]
    fn one_enters_a_layer_with_its_first_frame_after_a_switch_below_it() {
        // Three temporal layers as encoders make them: SSS, --D, -DS, --D; the second round of
        // requires what was before, until a base frame switches again.
        let mut entries = Entries::default();
        let rounds = [
            (0, 0b111),
            (2, 0),
            (1, 0b100),
            (2, 0),
            (0, 0b001),
            (2, 0),
            (1, 0),
            (2, 0),
        ];
        let entered = rounds.map(|(temporal, switches)| entries.note(0, temporal, switches));
        assert_eq!(entered, [true, true, true, true, true, false, false, false]);
        assert!(!entries.note(9, 0, 0xff));
    }

    #[test]
    fn a_packet_that_comes_late_begins_nothing() {
        let mut reader = LayerReader::default();
        reader.read(seen(Codec::H264, 100, &[0x41]));
        reader.read(seen(Codec::H264, 200, &[0x67]));
        let late = reader.read(seen(Codec::H264, 100, &[0x41]));
        assert!(!late.begins_frame && !late.keyframe);
        let next = reader.read(seen(Codec::H264, 200, &[0x68]));
        assert!(!next.begins_frame && next.keyframe);
    }

    #[test]
    fn units_of_av1_name_their_layers_for_the_packets_that_continue_them() {
        let mut reader = LayerReader::default();
        let base = reader.read(seen(Codec::Av1, 1, &[0x18, 0x34, 0x00]));
        assert!(base.keyframe && base.begins_frame);
        let upper = reader.read(seen(Codec::Av1, 1, &[0x50, 0x34, 0x08]));
        assert_eq!((upper.spatial, upper.begins_frame), (1, true));
        let rest = reader.read(seen(Codec::Av1, 1, &[0x90, 0xff, 0xff]));
        assert_eq!((rest.spatial, rest.begins_frame), (1, false));
    }

    #[test]
    fn what_is_encrypted_is_of_the_base() {
        let mut reader = LayerReader::default();
        for codec in [Codec::H264, Codec::Av1, Codec::Vp9] {
            let layering = reader.read(Seen {
                marker: true,
                ..seen(codec, 7, &[])
            });
            assert_eq!((layering.spatial, layering.keyframe), (0, false));
            assert!(layering.ends_frame);
        }
    }
}
