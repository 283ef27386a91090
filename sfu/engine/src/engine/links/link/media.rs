//! Packets of legs on their way over a link, in and out.

use std::sync::Arc;
use std::time::Instant;

use super::super::link_frame::LinkFrame;
use super::super::link_pieces::{Joined, Joining};
use super::super::link_streams::{AUDIO, class_of, ticks};
use super::Link;
use crate::engine::counters::Counters;
use crate::engine::egress::way::Way;
use crate::engine::media::packet::{MAX_PAYLOAD_BYTES, MediaPacket, RTP_HEADER_BYTES};
use crate::engine::media::rewrite::SourceRun;
use crate::engine::router::TrackKey;
use crate::engine::srtp::opener::Opened;

impl Link {
    /// Open a packet in place; `None` where the other end did not send it.
    pub fn open_packet<'a>(&mut self, packet: &'a mut [u8]) -> Option<Opened<'a>> {
        self.opener.as_mut()?.open(packet)
    }

    /// Take what a packet carried: of which track it is, and of which leg.
    pub fn take(
        &mut self,
        carried: &[u8],
        now: Instant,
        runs: &mut SourceRun,
        counters: &mut Counters,
    ) -> Option<(TrackKey, u32, MediaPacket)> {
        let joined;
        let mut bytes = carried;
        if Joining::is_half(bytes) {
            joined = match self.joining.take(bytes) {
                Joined::Frame(frame) => frame,
                Joined::Waits => return None,
                Joined::Displaced => {
                    counters.count("link_frames_incomplete");
                    return None;
                }
                Joined::Malformed => {
                    counters.count("link_frames_malformed");
                    return None;
                }
            };
            bytes = &joined;
        }
        let frame = match LinkFrame::decode(bytes) {
            Ok(frame) if frame.payload.len() <= MAX_PAYLOAD_BYTES => frame,
            Ok(_) => {
                counters.count("payloads_too_large");
                return None;
            }
            Err(_) => {
                counters.count("link_frames_malformed");
                return None;
            }
        };
        let Some(leg) = self.legs_in.get_mut(&frame.leg) else {
            counters.count("link_frames_without_leg");
            return None;
        };
        leg.carried.count(bytes.len());
        let Some(media) = leg.packet(&frame, &mut self.anchor, runs, now) else {
            counters.count("link_frames_malformed");
            return None;
        };
        Some((leg.track, frame.leg, media))
    }

    /// Send packets on their legs, all of one turn at once. Returns how many and how many bytes.
    pub fn write<'a>(
        &mut self,
        way: &mut Way<'_>,
        packets: impl Iterator<Item = (u32, &'a MediaPacket)>,
        counters: &mut Counters,
    ) -> (u64, u64) {
        let now = way.now;
        let class_time = ticks(now.saturating_duration_since(self.epoch));
        let (mut count, mut bytes) = (0, 0);
        for (leg, packet) in packets {
            if !self.shed.is_empty() {
                self.admit(leg, packet);
            }
            let Some(frame) = self
                .legs_out
                .get_mut(&leg)
                .and_then(|out| out.frame(packet, now, self.epoch))
            else {
                continue;
            };
            let Some(pieces) = self.halving.cut(frame) else {
                counters.count("link_frames_too_large");
                continue;
            };
            let at = class_of(packet.codec.kind());
            for piece in pieces.into_iter().flatten() {
                let length = piece.len() as u64 + RTP_HEADER_BYTES;
                let payload: Arc<[u8]> = piece.into();
                self.sent
                    .keep(at, self.sender.next(at), Arc::clone(&payload), now);
                if self.sender.send(at, payload, class_time, way) {
                    count += 1;
                    bytes += length;
                }
                if at == AUDIO {
                    self.sound.count(length);
                }
            }
        }
        (count, bytes)
    }
}
