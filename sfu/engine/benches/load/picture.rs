//! VP8 payloads of a wanted size: true headers, meaningless pictures.

/// Payload descriptor: extended, start of partition or not, with a 15-bit picture id (RFC 7741 4.2).
const DESCRIPTOR_BYTES: usize = 4;

/// Frame tag, start code and size of a key frame of 1280x720 (RFC 6386 9.1).
const KEY_HEADER: [u8; 10] = [0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02];

/// The least of a payload that holds them all.
const LEAST_BYTES: usize = DESCRIPTOR_BYTES + KEY_HEADER.len();

/// 90 kHz.
const TICKS_PER_S: f64 = 90_000.0;

/// One track's pictures.
#[derive(Debug)]
pub struct Pictures {
    number: u16,
    begins: bool,
    key: bool,
    /// The next picture is to be a whole one.
    pub wanted: bool,
    time: u32,
}

impl Default for Pictures {
    fn default() -> Self {
        Self {
            number: 0,
            begins: true,
            key: false,
            wanted: true,
            time: 0,
        }
    }
}

impl Pictures {
    /// The next payload, of `bytes`, and its time stamp; `last` ends its picture.
    pub fn next(&mut self, bytes: usize, last: bool, elapsed_s: f64) -> (Vec<u8>, u32) {
        let mut payload = vec![0x55; bytes.max(LEAST_BYTES)];
        if self.begins {
            self.number = self.number.wrapping_add(1) & 0x7fff;
            self.key = std::mem::take(&mut self.wanted);
            self.time = (elapsed_s * TICKS_PER_S) as u64 as u32;
        }
        let start = if self.begins { 0x10 } else { 0 };
        let [high, low] = self.number.to_be_bytes();
        payload[..DESCRIPTOR_BYTES].copy_from_slice(&[0x80 | start, 0x80, 0x80 | high, low]);
        if self.begins {
            let header = &mut payload[DESCRIPTOR_BYTES..LEAST_BYTES];
            header.copy_from_slice(&KEY_HEADER);
            header[0] |= u8::from(!self.key);
        }
        self.begins = last;
        (payload, self.time)
    }
}
