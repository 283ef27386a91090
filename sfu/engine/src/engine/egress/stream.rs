//! One outgoing stream: its numbers on the wire, and what was sent of it.

use std::time::Instant;

use str0m::Rtc;
use str0m::media::Mid;

use super::content::Content;
use super::header::ExtensionNumbers;
use super::reports::{SenderReport, ntp};
use super::resends::Resends;
use crate::engine::srtp::once::Once;

/// Numbers start at most here, far from the wrap that would confuse a receiver, which assumes rollover counter 0.
pub const MAX_FIRST_SEQUENCE: u32 = 1 << 14;

/// Packets of a line that are kept for resends at most, whatever their age: those of 9 Mbit/s, 80 bytes each.
const RESEND_PACKETS: usize = 1024;

/// A packet of a line.
#[derive(Debug)]
pub struct Outgoing {
    /// Extended over rollovers.
    pub sequence: u64,
    pub content: Content,
    /// When it was captured.
    pub wallclock: Instant,
    pub ticks_per_s: u32,
    /// Bytes that are added at its end (RFC 3550 section 5.1).
    pub padding: u8,
    /// Its receiver may ask for it again.
    pub resendable: bool,
}

/// The stream of resends beside a stream (RFC 4588).
#[derive(Debug)]
pub struct ResendStream {
    pub ssrc: u32,
    next: u64,
    /// The payload type of resends, by that of what is resent.
    types: Vec<(u8, u8)>,
}

impl ResendStream {
    /// Take the next number, and the payload type for what is sent again of that payload type; `None`, and no number is
    /// taken, where there is none.
    pub fn take(&mut self, of: u8) -> Option<(u64, u8)> {
        let (_, payload_type) = *self.types.iter().find(|(original, _)| *original == of)?;
        let number = self.next;
        self.next += 1;
        Some((number, payload_type))
    }
}

/// The packet with the highest number.
#[derive(Debug, Clone, Copy)]
struct Newest {
    sequence: u64,
    time: u32,
    wallclock: Instant,
    ticks_per_s: u32,
}

/// A stream to one receiver.
#[derive(Debug)]
pub struct RtpStream {
    pub ssrc: u32,
    pub numbers: ExtensionNumbers,
    pub mid: Mid,
    /// The receiver knows which line the stream is of: it has reported on it.
    pub placed: bool,
    pub resend_stream: Option<ResendStream>,
    pub resends: Resends,
    once: Once,
    packets: u32,
    bytes: u32,
    newest: Option<Newest>,
    /// Something was sent since its last report.
    unreported: bool,
}

impl RtpStream {
    /// The stream of a line as it was negotiated; `None` where there is none. `seed` is random.
    #[must_use]
    pub fn agreed(rtc: &mut Rtc, mid: Mid, seed: u32) -> Option<Self> {
        let media = rtc.media(mid)?;
        let numbers = ExtensionNumbers::of(media.remote_extmap());
        let accepted = media.remote_pts();
        let types = rtc
            .codec_config()
            .params()
            .iter()
            .filter(|params| accepted.contains(&params.pt()))
            .filter_map(|params| Some((*params.pt(), *params.resend()?)))
            .collect();
        let mut api = rtc.direct_api();
        let stream = api.stream_tx_by_mid(mid, None)?;
        let resend_stream = stream.rtx().map(|ssrc| ResendStream {
            ssrc: *ssrc,
            next: u64::from(seed % MAX_FIRST_SEQUENCE) + 1,
            types,
        });
        let ssrc = *stream.ssrc();
        Some(Self {
            numbers,
            mid,
            placed: false,
            ..Self::bare(ssrc, resend_stream, RESEND_PACKETS)
        })
    }

    /// A stream that both ends know without a negotiation: it needs no extensions, and its owner sees to resends.
    #[must_use]
    pub fn plain(ssrc: u32) -> Self {
        Self::bare(ssrc, None, 1)
    }

    /// The same with a stream of resends beside it, of this SSRC and these payload types, by those of what is resent; as
    /// many packets are kept for them.
    #[cfg(test)]
    pub fn fixed(ssrc: u32, resends: (u32, Vec<(u8, u8)>), kept: usize) -> Self {
        let resend_stream = ResendStream {
            ssrc: resends.0,
            next: 1,
            types: resends.1,
        };
        Self::bare(ssrc, Some(resend_stream), kept)
    }

    /// One of no line, of which nothing was sent.
    fn bare(ssrc: u32, resend_stream: Option<ResendStream>, kept: usize) -> Self {
        Self {
            ssrc,
            numbers: ExtensionNumbers::default(),
            mid: Mid::default(),
            placed: true,
            resend_stream,
            resends: Resends::new(kept),
            once: Once::default(),
            packets: 0,
            bytes: 0,
            newest: None,
            unreported: false,
        }
    }

    /// The name of its line, as long as the receiver needs to be told.
    #[must_use]
    pub fn told_mid(&self) -> Option<Mid> {
        (!self.placed).then_some(self.mid)
    }

    /// Whether padding may go out beside it: what was sent lately, on a stream of resends that is reported on.
    #[must_use]
    pub fn carries_padding(&self) -> bool {
        self.numbers.transport != 0
            && self.resend_stream.is_some()
            && self.resends.newest().is_some()
    }

    /// Whether a number may be used, which it may once.
    #[must_use]
    pub fn may_send(&mut self, sequence: u64) -> bool {
        self.once.first(sequence)
    }

    /// Note that a packet was sent; `true` for the first one of all.
    pub fn sent(&mut self, packet: &Outgoing) -> bool {
        let first = self.newest.is_none();
        self.packets = self.packets.wrapping_add(1);
        let bytes = packet.content.payload.len() as u32;
        self.bytes = self.bytes.wrapping_add(bytes);
        if self
            .newest
            .is_none_or(|newest| newest.sequence < packet.sequence)
        {
            self.newest = Some(Newest {
                sequence: packet.sequence,
                time: packet.content.time,
                wallclock: packet.wallclock,
                ticks_per_s: packet.ticks_per_s,
            });
        }
        self.unreported = true;
        first
    }

    /// What to report now; `None` while nothing was sent since the last time.
    pub fn report(&mut self, now: Instant) -> Option<SenderReport> {
        self.resends.forget_old(now);
        if !std::mem::take(&mut self.unreported) {
            return None;
        }
        let newest = self.newest?;
        // Between the packet's own moment and now the stream's clock goes on as the wall clock does.
        let since = now.saturating_duration_since(newest.wallclock);
        let ticks = since.as_micros() * u128::from(newest.ticks_per_s) / 1_000_000;
        Some(SenderReport {
            ssrc: self.ssrc,
            ntp: ntp(now),
            time: newest.time.wrapping_add(ticks as u32),
            packets: self.packets,
            bytes: self.bytes,
        })
    }
}
