//! The header of an outgoing RTP packet (RFC 3550 section 5.1), with the extensions that its receiver takes (RFC 8285).

use str0m::rtp::{Extension, ExtensionMap};

use crate::engine::media::packet::{AudioLevel, PlayoutDelay};
use crate::engine::peers::extensions::{MAX_DESCRIPTOR_BYTES, is_descriptor};

const FIXED_BYTES: usize = 12;
const VERSION: u8 = 0x80;
const HAS_PADDING: u8 = 0x20;
const HAS_EXTENSIONS: u8 = 0x10;
const MARKER: u8 = 0x80;

/// What opens the extensions: elements with headers of one byte, or of two.
const SHORT_FORM: [u8; 2] = [0xbe, 0xde];
const LONG_FORM: [u8; 2] = [0x10, 0x00];
const SHORT_FORM_BYTES: usize = 16;

/// str0m's longest name of a line.
const MAX_MID_BYTES: usize = 16;

/// The longest header: a descriptor, a name, and five elements of at most three bytes, with two bytes each before them.
pub const MAX_HEADER_BYTES: usize =
    FIXED_BYTES + 4 + MAX_DESCRIPTOR_BYTES + MAX_MID_BYTES + 5 * 3 + 7 * 2 + 3;

/// The numbers that one line has for extensions; 0 for those that its receiver does not take.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct ExtensionNumbers {
    pub audio_level: u8,
    pub send_time: u8,
    pub transport: u8,
    pub mid: u8,
    pub playout_delay: u8,
    pub orientation: u8,
    pub descriptor: u8,
}

impl ExtensionNumbers {
    /// As they were negotiated.
    #[must_use]
    pub fn of(map: &ExtensionMap) -> Self {
        let mut numbers = Self::default();
        for (number, extension) in map.iter() {
            let known = match extension {
                Extension::AudioLevel => &mut numbers.audio_level,
                Extension::AbsoluteSendTime => &mut numbers.send_time,
                Extension::TransportSequenceNumber => &mut numbers.transport,
                Extension::RtpMid => &mut numbers.mid,
                Extension::PlayoutDelay => &mut numbers.playout_delay,
                Extension::VideoOrientation => &mut numbers.orientation,
                other if is_descriptor(other) => &mut numbers.descriptor,
                _ => continue,
            };
            *known = number;
        }
        numbers
    }
}

/// What goes into the header of one packet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Header<'a> {
    pub marker: bool,
    /// The payload ends with padding.
    pub padded: bool,
    pub payload_type: u8,
    pub sequence: u16,
    pub time: u32,
    pub ssrc: u32,
    pub mid: Option<&'a str>,
    /// When it leaves: seconds in 24 bits, 18 of them behind the point (abs-send-time).
    pub send_time: u32,
    /// Its number among all packets to the peer (transport-wide congestion control).
    pub transport: Option<u16>,
    pub audio_level: Option<AudioLevel>,
    pub playout_delay: Option<PlayoutDelay>,
    pub orientation: Option<u8>,
    pub descriptor: Option<&'a [u8]>,
}

impl Header<'_> {
    /// Write it; returns how long it is.
    pub fn write(&self, numbers: &ExtensionNumbers, out: &mut [u8; MAX_HEADER_BYTES]) -> usize {
        out[0] = VERSION | if self.padded { HAS_PADDING } else { 0 };
        out[1] = self.payload_type & !MARKER | if self.marker { MARKER } else { 0 };
        out[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        out[4..8].copy_from_slice(&self.time.to_be_bytes());
        out[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        let descriptor = self
            .descriptor
            .filter(|bytes| (1..=MAX_DESCRIPTOR_BYTES).contains(&bytes.len()));
        let long = descriptor.is_some_and(|bytes| bytes.len() > SHORT_FORM_BYTES);
        let mut elements = Elements {
            out: &mut out[FIXED_BYTES + 4..],
            end: 0,
            long,
        };
        if let Some(level) = self.audio_level {
            let voice = if level.voice { 0x80 } else { 0 };
            elements.put(
                numbers.audio_level,
                &[voice | level.below_overload_db & 0x7f],
            );
        }
        elements.put(numbers.send_time, &self.send_time.to_be_bytes()[1..]);
        if let Some(transport) = self.transport {
            elements.put(numbers.transport, &transport.to_be_bytes());
        }
        if let Some(mid) = self.mid {
            elements.put(numbers.mid, mid.as_bytes());
        }
        if let Some(delay) = self.playout_delay {
            let both = u32::from(delay.min & 0xfff) << 12 | u32::from(delay.max & 0xfff);
            elements.put(numbers.playout_delay, &both.to_be_bytes()[1..]);
        }
        if let Some(orientation) = self.orientation {
            elements.put(numbers.orientation, &[orientation]);
        }
        if let Some(descriptor) = descriptor {
            elements.put(numbers.descriptor, descriptor);
        }
        let length = elements.close();
        if length == 0 {
            return FIXED_BYTES;
        }
        out[0] |= HAS_EXTENSIONS;
        let form = if long { LONG_FORM } else { SHORT_FORM };
        out[FIXED_BYTES..FIXED_BYTES + 2].copy_from_slice(&form);
        let words = (length / 4) as u16;
        out[FIXED_BYTES + 2..FIXED_BYTES + 4].copy_from_slice(&words.to_be_bytes());
        FIXED_BYTES + 4 + length
    }
}

struct Elements<'a> {
    out: &'a mut [u8],
    end: usize,
    long: bool,
}

impl Elements<'_> {
    fn put(&mut self, number: u8, value: &[u8]) {
        let fits = !value.is_empty() && (self.long || value.len() <= SHORT_FORM_BYTES);
        if number == 0 || !fits || (number > 14 && !self.long) {
            return;
        }
        if self.long {
            self.out[self.end] = number;
            self.out[self.end + 1] = value.len() as u8;
            self.end += 2;
        } else {
            self.out[self.end] = number << 4 | (value.len() - 1) as u8;
            self.end += 1;
        }
        self.out[self.end..self.end + value.len()].copy_from_slice(value);
        self.end += value.len();
    }

    /// Fill up to whole words; returns how many bytes there are.
    fn close(self) -> usize {
        let whole = self.end.next_multiple_of(4);
        self.out[self.end..whole].fill(0);
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: ExtensionNumbers = ExtensionNumbers {
        audio_level: 1,
        send_time: 2,
        transport: 3,
        mid: 4,
        playout_delay: 5,
        orientation: 13,
        descriptor: 12,
    };

    fn written(header: &Header<'_>, numbers: &ExtensionNumbers) -> Vec<u8> {
        let mut out = [0xaa; MAX_HEADER_BYTES];
        let length = header.write(numbers, &mut out);
        out[..length].to_vec()
    }

    const HEADER: Header<'_> = Header {
        marker: true,
        padded: false,
        payload_type: 96,
        sequence: 0x0102,
        time: 0x0304_0506,
        ssrc: 0x0708_090a,
        mid: Some("v0"),
        send_time: 0x0a_bcde,
        transport: Some(0x1234),
        audio_level: Some(AudioLevel {
            below_overload_db: 30,
            voice: true,
        }),
        playout_delay: Some(PlayoutDelay { min: 1, max: 0xfff }),
        orientation: Some(3),
        descriptor: Some(&[1, 2, 3]),
    };

    #[test]
    fn each_extension_stands_under_the_number_of_the_line() {
        let expected = [
            0x90, 0xe0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0xbe, 0xde, 0, 6, //
            0x10, 0x9e, 0x22, 0x0a, 0xbc, 0xde, 0x31, 0x12, 0x34, 0x41, b'v', b'0', //
            0x52, 0x00, 0x1f, 0xff, 0xd0, 3, 0xc2, 1, 2, 3, 0, 0,
        ];
        assert_eq!(written(&HEADER, &NUMBERS), expected);
    }

    #[test]
    fn what_the_receiver_does_not_take_is_left_out() {
        let numbers = ExtensionNumbers::default();
        assert_eq!(written(&HEADER, &numbers).len(), FIXED_BYTES);
        assert_eq!(written(&HEADER, &numbers)[0], VERSION);
    }

    #[test]
    fn a_long_descriptor_takes_the_long_form_and_the_longest_fits() {
        let descriptor = [7; MAX_DESCRIPTOR_BYTES];
        let header = Header {
            descriptor: Some(&descriptor),
            mid: Some("0123456789abcdef"),
            padded: true,
            ..HEADER
        };
        let bytes = written(&header, &NUMBERS);
        assert_eq!(bytes[0], VERSION | HAS_PADDING | HAS_EXTENSIONS);
        assert_eq!(bytes[12..14], LONG_FORM);
        let at = bytes.windows(2).position(|two| two == [12, 200]).unwrap();
        assert_eq!(bytes[at + 2..at + 202], descriptor);
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn numbers_are_those_negotiated() {
        let mut map = ExtensionMap::empty();
        map.set(7, Extension::TransportSequenceNumber);
        map.set(9, Extension::RtpMid);
        let numbers = ExtensionNumbers::of(&map);
        assert_eq!(
            (numbers.transport, numbers.mid, numbers.send_time),
            (7, 9, 0)
        );
    }
}
