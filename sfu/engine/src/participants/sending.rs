//! What a participant sends on one m-line: when the next packets are due, and what is in them.

use std::time::{Duration, Instant};

use str0m::Rtc;
use str0m::format::Codec;
use str0m::media::{Mid, Pt};
use str0m::rtp::RtpWrite;

use super::audio;
use super::clock::monotonic_ns;
use super::stamp::{STAMP_BYTES, Stamp};
use super::video::{self, Video};
use crate::control::messages::MediaKind;

/// Behind by more than this (the machine was busy), what should have been sent is left out.
const MAX_BEHIND: Duration = Duration::from_millis(500);

/// What was sent of one kind; kept when the peer connection is built anew.
#[derive(Clone, Copy, Default)]
pub struct Sent {
    pub packets: u64,
    pub bytes: u64,
    pub keyframe_requests: u64,
}

/// One m-line's sender.
pub struct Sending {
    pub mid: Mid,
    pub kind: MediaKind,
    video: Option<Video>,
    interval: Duration,
    begun: Instant,
    due: Instant,
    rtp_sequence: u64,
    payload_type: Option<Pt>,
}

impl Sending {
    /// Silence.
    #[must_use]
    pub fn audio(mid: Mid, now: Instant) -> Self {
        Self::new(mid, MediaKind::Audio, None, audio::INTERVAL, now)
    }

    /// The card of this stamp at so many frames (at least one) and bits a second.
    #[must_use]
    pub fn video(mid: Mid, stamp: u64, frames_per_s: u32, bits_per_s: u64, now: Instant) -> Self {
        let frame_bytes =
            usize::try_from(bits_per_s / 8 / u64::from(frames_per_s)).unwrap_or(usize::MAX);
        let interval = Duration::from_secs(1) / frames_per_s;
        Self::new(
            mid,
            MediaKind::Video,
            Some(Video::new(stamp, frame_bytes)),
            interval,
            now,
        )
    }

    fn new(
        mid: Mid,
        kind: MediaKind,
        video: Option<Video>,
        interval: Duration,
        now: Instant,
    ) -> Self {
        Self {
            mid,
            kind,
            video,
            interval,
            begun: now,
            due: now,
            rtp_sequence: 0,
            payload_type: None,
        }
    }

    /// Begin, after the answer was taken; nothing is sent when it declined the codec.
    pub fn begin(&mut self, rtc: &Rtc, now: Instant) {
        let codec = match self.kind {
            MediaKind::Audio => Codec::Opus,
            MediaKind::Video => Codec::Vp8,
        };
        self.payload_type = rtc.media(self.mid).and_then(|media| {
            let agreed = media.remote_pts();
            let fits = |pt: &Pt| {
                rtc.codec_config()
                    .find(|p| p.pt() == *pt && p.spec().codec == codec)
                    .is_some()
            };
            agreed.iter().copied().find(fits)
        });
        self.begun = now;
        self.due = now;
    }

    /// When [`Sending::write`] is to be called; `None` before it began.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.payload_type.map(|_| self.due)
    }

    /// Write what is due by now: a packet of sound, a frame of picture.
    pub fn write(&mut self, rtc: &mut Rtc, stamp: u64, sent: &mut Sent, now: Instant) {
        let Some(payload_type) = self.payload_type else {
            return;
        };
        if now.saturating_duration_since(self.due) > MAX_BEHIND {
            self.due = now;
        }
        let time = self.rtp_time();
        self.due += self.interval;
        let payloads = match &mut self.video {
            Some(video) => video.next_frame(),
            None => vec![audio::packet()],
        };
        let mut api = rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(self.mid, None) else {
            return;
        };
        let last = payloads.len() - 1;
        for (number, mut payload) in payloads.into_iter().enumerate() {
            let bytes = Stamp {
                kind: self.kind,
                source: stamp,
                sequence: sent.packets,
                sent_ns: monotonic_ns(),
            }
            .encode();
            let at = payload.len() - STAMP_BYTES;
            payload[at..].copy_from_slice(&bytes);
            sent.packets += 1;
            sent.bytes += payload.len() as u64;
            let video = self.kind == MediaKind::Video;
            stream.write_rtp(
                RtpWrite::new(payload_type, self.rtp_sequence.into(), time, now, payload)
                    .marker(video && number == last)
                    .nackable(video),
            );
            self.rtp_sequence += 1;
        }
    }

    /// Time on the wire follows the plan, not the moment, so that playback is even.
    fn rtp_time(&self) -> u32 {
        let hz = match self.kind {
            MediaKind::Audio => audio::CLOCK_HZ,
            MediaKind::Video => video::CLOCK_HZ,
        };
        let since = (self.due - self.begun).as_micros();
        // Wraps like the field it goes into.
        (since * u128::from(hz) / 1_000_000) as u32
    }
}
