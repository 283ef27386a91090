//! What an outgoing packet says, apart from the numbers that it goes out under.

use std::sync::Arc;

use super::header::Header;
use crate::engine::media::packet::{AudioLevel, PlayoutDelay};
use crate::engine::payload::vp8::Ids;
use crate::engine::peers::extensions::RawDescriptor;

/// What a packet says, whatever its number. Small, because a second of them is kept for resends.
#[derive(Debug, Clone, Default)]
pub struct Content {
    pub payload: Arc<[u8]>,
    pub descriptor: Option<Arc<RawDescriptor>>,
    pub time: u32,
    /// Written into the payload in place of its own.
    pub ids: Option<Ids>,
    pub audio_level: Option<AudioLevel>,
    pub playout_delay: Option<PlayoutDelay>,
    pub orientation: Option<u8>,
    pub payload_type: u8,
    pub marker: bool,
}

impl Content {
    /// The header that goes with it, on a stream of these numbers.
    #[must_use]
    pub fn header(&self, ssrc: u32, sequence: u64) -> Header<'_> {
        Header {
            marker: self.marker,
            payload_type: self.payload_type,
            sequence: sequence as u16,
            time: self.time,
            ssrc,
            audio_level: self.audio_level,
            playout_delay: self.playout_delay,
            orientation: self.orientation,
            descriptor: self.descriptor.as_deref().map(RawDescriptor::bytes),
            ..Header::default()
        }
    }

    /// Write the payload as it goes out, behind `prefix` and with padding up to the end of `room`, which is zero. It must
    /// have room for both.
    pub fn write_payload(&self, prefix: &[u8], room: &mut [u8]) {
        let (before, rest) = room.split_at_mut(prefix.len());
        before.copy_from_slice(prefix);
        let (payload, padding) = rest.split_at_mut(self.payload.len());
        payload.copy_from_slice(&self.payload);
        if let Some(ids) = self.ids {
            ids.write(payload);
        }
        let length = padding.len() as u8;
        // The last byte says how many there are.
        if let Some(last) = padding.last_mut() {
            *last = length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_written_with_what_goes_before_and_behind_it() {
        let mut content = Content {
            payload: vec![0x90, 0x80, 5, 0, 7].into(),
            ..Content::default()
        };
        let mut room = [0; 10];
        content.write_payload(&[1, 2], &mut room);
        assert_eq!(room, [1, 2, 0x90, 0x80, 5, 0, 7, 0, 0, 3]);
        content.ids = Some(Ids {
            picture: 9,
            base: None,
        });
        let mut room = [0; 5];
        content.write_payload(&[], &mut room);
        assert_eq!(room, [0x90, 0x80, 9, 0, 7]);
    }
}
