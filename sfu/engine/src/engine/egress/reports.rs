//! RTCP that goes out beside the packets (RFC 3550 section 6): which moment a time stamp stands for, and whose streams
//! belong together.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Sound and picture are in step from the first reports of both; the five seconds of RFC 3550 section 6.2 would be too
/// late to begin with.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// From the first packet of a stream to its first report, which then speaks of all that began together.
pub const FIRST_AFTER: Duration = Duration::from_millis(100);

/// A compound packet is closed at this length.
pub const FULL_BYTES: usize = 1000;

const SENDER_REPORT: u8 = 200;
const DESCRIPTION: u8 = 202;
const CNAME: u8 = 1;

/// Chunks of one description, and the longest name: five and eight bits count them.
const MAX_CHUNKS: usize = 31;
const MAX_NAME_BYTES: usize = 255;

/// From 1900, where NTP begins, to 1970.
const NTP_OFFSET: Duration = Duration::from_secs(2_208_988_800);

/// One pair of both clocks for the whole process, so that a step of the wall clock shifts nothing.
static ANCHOR: LazyLock<(Instant, Duration)> = LazyLock::new(|| {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    (Instant::now(), since + NTP_OFFSET)
});

/// A moment in NTP's format: seconds, 32 bits of them behind the point.
#[must_use]
pub fn ntp(at: Instant) -> u64 {
    let (anchor, since) = *ANCHOR;
    let since = if at >= anchor {
        since + (at - anchor)
    } else {
        since.saturating_sub(anchor - at)
    };
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    since.as_secs() << 32 | fraction
}

/// The same as the header extension abs-send-time has it: 24 bits, 18 of them behind the point.
#[must_use]
pub fn send_time(at: Instant) -> u32 {
    (ntp(at) >> 14) as u32 & 0x00ff_ffff
}

/// What one stream has sent, and which time stamp stands for which moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReport {
    pub ssrc: u32,
    pub ntp: u64,
    pub time: u32,
    pub packets: u32,
    /// Of payloads.
    pub bytes: u32,
}

impl SenderReport {
    /// Append it (RFC 3550 section 6.4.1), without blocks about what was received.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0x80, SENDER_REPORT, 0, 6]);
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        out.extend_from_slice(&self.ntp.to_be_bytes());
        for word in [self.time, self.packets, self.bytes] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
}

/// Append that these streams are one source's (RFC 3550 section 6.5), the first of them at most.
pub fn describe(streams: &[u32], name: &str, out: &mut Vec<u8>) {
    let streams = &streams[..streams.len().min(MAX_CHUNKS)];
    let name = &name.as_bytes()[..name.len().min(MAX_NAME_BYTES)];
    let start = out.len();
    out.extend_from_slice(&[0x80 | streams.len() as u8, DESCRIPTION, 0, 0]);
    for ssrc in streams {
        out.extend_from_slice(&ssrc.to_be_bytes());
        out.extend_from_slice(&[CNAME, name.len() as u8]);
        out.extend_from_slice(name);
        // At least one zero ends the chunk, and whole words do.
        let chunk = out.len() - start;
        out.resize(start + (chunk + 1).next_multiple_of(4), 0);
    }
    let words = ((out.len() - start) / 4 - 1) as u16;
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_wall_clock() {
        let now = Instant::now();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + NTP_OFFSET;
        assert!((ntp(now) >> 32).abs_diff(wall.as_secs()) <= 1);
        let half = ntp(now + Duration::from_millis(500)).wrapping_sub(ntp(now));
        assert!(half.abs_diff(1 << 31) < 1 << 8);
        let before = now.checked_sub(Duration::from_secs(1)).unwrap();
        assert!((ntp(now) - ntp(before)).abs_diff(1 << 32) < 1 << 8);
        let later = send_time(now + Duration::from_secs(1));
        assert_eq!(later.wrapping_sub(send_time(now)) & 0x00ff_ffff, 1 << 18);
    }

    #[test]
    fn a_report_and_a_description_are_whole_words() {
        let mut out = Vec::new();
        let report = SenderReport {
            ssrc: 1,
            ntp: 2 << 32 | 3,
            time: 4,
            packets: 5,
            bytes: 6,
        };
        report.write(&mut out);
        let words: Vec<u32> = out
            .chunks(4)
            .map(|word| u32::from_be_bytes(word.try_into().unwrap()))
            .collect();
        assert_eq!(words, [0x80c8_0006, 1, 2, 3, 4, 5, 6]);
        for name in ["", "a", "ab", "abc"] {
            let mut out = Vec::new();
            describe(&[7, 8], name, &mut out);
            assert_eq!(out[..2], [0x82, DESCRIPTION]);
            let words = u16::from_be_bytes([out[2], out[3]]);
            assert_eq!(out.len(), 4 * (usize::from(words) + 1));
            assert_eq!(out.last(), Some(&0));
        }
    }
}
