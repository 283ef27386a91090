//! Sends to one subscriber or link: seals its packets, answers what it misses, reports, and finds out what its path carries.

use std::time::{Duration, Instant};

use str0m::rtp::rtcp::{Nack, Twcc};

use super::content::Content;
use super::header::{ExtensionNumbers, Header, MAX_HEADER_BYTES};
use super::history::History;
use super::probing::Probing;
use super::reports::{FIRST_AFTER, FULL_BYTES, INTERVAL, describe};
use super::stream::{Outgoing, RtpStream};
use super::way::Way;
use crate::engine::bandwidth::Estimator;
use crate::engine::media::packet::RTP_HEADER_BYTES;
use crate::engine::srtp::keys::Agreed;
use crate::engine::srtp::sealer::Sealer;

/// A packet is not resent twice within a round trip; before one was measured, within this.
const FIRST_RTT: Duration = Duration::from_millis(20);

/// Resends are at most this share of what is sent, in hundredths, or somebody who loses much would lose more. A path that
/// loses a fifth needs a quarter; beyond that the estimate falls anyway.
const RESEND_PERCENT: i64 = 30;

/// Resends that may be saved up, and that a new subscriber begins with, bytes: a whole picture.
const RESEND_BURST_BYTES: i64 = 64_000;

/// Padding in a packet that carries nothing else; one byte says how much. What carries less is not worth sending again.
const MIN_PADDING_BYTES: u64 = 240;

/// Packets that the share of lost ones is taken of, the newest counting most: about a second of video.
const LOSS_PACKETS: f64 = 100.0;

/// Packets that one report may speak of. A few bytes can name 65,535; a receiver reports every 50 to 250 ms.
const MAX_REPORTED: usize = 4096;

/// Packets of one probe that leave in one turn.
const MAX_PROBE_PACKETS: usize = 64;

/// What is sent to one subscriber.
#[derive(Debug)]
pub struct Sender {
    /// Once the handshake is done.
    sealer: Option<Sealer>,
    history: History,
    estimator: Estimator,
    /// The receiver reports on each packet.
    reports: bool,
    probing: Option<Probing>,
    /// Bytes of resends that may leave; the last one may overdraw it.
    resend_bytes: i64,
    /// Left in this turn, and the estimator does not know yet.
    unnoted_bytes: u32,
    rtt: Duration,
    /// Share of the packets, lately.
    loss: f64,
    report_at: Option<Instant>,
    /// The same for all streams that are played in step (CNAME).
    pub name: String,
    /// Arrival times are counted from here.
    origin: Instant,
}

impl Sender {
    /// One that has sent nothing. The path is first thought to carry `initial_bps`.
    #[must_use]
    pub fn new(initial_bps: u64, now: Instant) -> Self {
        Self {
            sealer: None,
            history: History::default(),
            estimator: Estimator::new(initial_bps, now),
            reports: false,
            probing: None,
            resend_bytes: RESEND_BURST_BYTES,
            unnoted_bytes: 0,
            rtt: FIRST_RTT,
            loss: 0.0,
            report_at: None,
            name: String::new(),
            origin: now,
        }
    }

    /// Seal with these keys from now on.
    pub fn key(&mut self, agreed: &Agreed) {
        self.sealer = Sealer::new(agreed);
    }

    /// Bit/s that the path is thought to carry, once the receiver has reported.
    #[must_use]
    pub fn estimate_bps(&self) -> Option<u64> {
        self.reports.then(|| self.estimator.estimate_bps())
    }

    /// Share of the packets that are lost on the way, before resends; once the receiver has reported.
    #[must_use]
    pub fn loss(&self) -> Option<f64> {
        self.reports.then_some(self.loss)
    }

    /// What all that is wanted would take.
    pub fn set_desired(&mut self, bps: u64, now: Instant) {
        self.estimator.set_desired(bps, now);
    }

    /// The round trip was measured in another way, which counts where the receiver does not report on each packet.
    pub fn set_rtt(&mut self, rtt: Duration) {
        if !self.reports {
            self.rtt = rtt;
        }
    }

    /// Send a packet. Returns whether it left.
    pub fn send(&mut self, stream: &mut RtpStream, packet: Outgoing, way: &mut Way<'_>) -> bool {
        if self.sealer.is_none() || !stream.may_send(packet.sequence) {
            return false;
        }
        let mid = stream.told_mid();
        let content = &packet.content;
        let header = Header {
            mid: mid.as_deref(),
            padded: packet.padding > 0,
            ..content.header(stream.ssrc, packet.sequence)
        };
        let body = content.payload.len() + usize::from(packet.padding);
        let write = |room: &mut [u8]| content.write_payload(&[], room);
        let numbers = stream.numbers;
        let sent = self.transmit(numbers, header, packet.sequence, (body, write), None, way);
        let Some(length) = sent else {
            return false;
        };
        self.resend_bytes += length as i64 * RESEND_PERCENT / 100;
        self.resend_bytes = self.resend_bytes.min(RESEND_BURST_BYTES);
        if stream.sent(&packet) {
            let first = way.now + FIRST_AFTER;
            self.report_at = Some(self.report_at.map_or(first, |at| at.min(first)));
        } else if self.report_at.is_none() {
            self.report_at = Some(way.now + INTERVAL);
        }
        if packet.resendable && stream.resend_stream.is_some() {
            stream
                .resends
                .keep(packet.sequence, packet.content, way.now);
        }
        true
    }

    /// Resend what a receiver misses. Returns how many packets left.
    pub fn resend(&mut self, stream: &mut RtpStream, nack: &Nack, way: &mut Way<'_>) -> u64 {
        let Some((newest, _)) = stream.resends.newest() else {
            return 0;
        };
        let mut resent = 0;
        let entries = nack.reports.iter();
        for missing in entries.flat_map(|entry| entry.into_iter(newest.into())) {
            if self.resend_bytes <= 0 {
                break;
            }
            let Some((original, content)) = stream.resends.take(*missing as u16, self.rtt, way.now)
            else {
                continue;
            };
            let content = content.clone();
            let length = self.transmit_again(stream, original, &content, None, way);
            self.resend_bytes -= length.unwrap_or_default() as i64;
            resent += u64::from(length.is_some());
        }
        resent
    }

    /// Take a report on each packet.
    pub fn heard_transport(&mut self, report: Twcc, now: Instant) {
        let Some(newest) = self.history.newest() else {
            return;
        };
        let origin = self.origin;
        let arrivals = report
            .into_iter(origin, newest.into())
            .take(MAX_REPORTED)
            .map(|(number, _, arrived)| {
                let us = arrived.map(|at| at.saturating_duration_since(origin).as_micros() as i64);
                (*number, us)
            });
        let (outcomes, sent) = self.history.report(arrivals);
        if outcomes.is_empty() {
            return;
        }
        self.reports = true;
        for outcome in &outcomes {
            let lost = if outcome.arrived_us.is_none() {
                1.0
            } else {
                0.0
            };
            self.loss += (lost - self.loss) / LOSS_PACKETS;
        }
        if let Some(sent) = sent {
            self.rtt = now.saturating_duration_since(sent);
        }
        self.estimator.feedback(&outcomes, self.rtt, now);
    }

    /// When [`Sender::tend`] is to be called.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.sealer.as_ref()?;
        let probing = self.probing.as_ref().map(Probing::deadline);
        let estimator = self.estimator.deadline();
        // One probe at a time.
        let estimator = estimator.filter(|_| self.reports && probing.is_none());
        [self.report_at, estimator, probing]
            .into_iter()
            .flatten()
            .min()
    }

    /// Report and probe, as far as that is due.
    pub fn tend(&mut self, streams: &mut [&mut RtpStream], way: &mut Way<'_>) {
        if self.report_at.is_some_and(|at| at <= way.now) {
            self.report(streams, way);
        }
        if self.reports {
            let probe = self.estimator.probe(way.now);
            // Without anything to pad with, the estimator hears nothing of it and asks again later.
            if self.probing.is_none() && streams.iter().any(|stream| stream.carries_padding()) {
                self.probing = probe.map(|probe| Probing::new(probe, way.now));
            }
        }
        self.pad(streams, way);
    }

    fn report(&mut self, streams: &mut [&mut RtpStream], way: &mut Way<'_>) {
        self.report_at = None;
        let (mut compound, mut described) = (Vec::new(), Vec::new());
        let now = way.now;
        for report in streams.iter_mut().filter_map(|stream| stream.report(now)) {
            report.write(&mut compound);
            described.push(report.ssrc);
            self.report_at = Some(way.now + INTERVAL);
            if compound.len() >= FULL_BYTES / 2 {
                self.send_report(&mut compound, &mut described, way);
            }
        }
        if !compound.is_empty() {
            self.send_report(&mut compound, &mut described, way);
        }
    }

    fn send_report(&mut self, compound: &mut Vec<u8>, described: &mut Vec<u32>, way: &mut Way<'_>) {
        describe(described, &self.name, compound);
        let sealed = self
            .sealer
            .as_mut()
            .and_then(|sealer| sealer.seal_report(compound));
        if let Some(sealed) = sealed {
            way.put(sealed.len(), |out| {
                out.copy_from_slice(&sealed);
                true
            });
        }
        compound.clear();
        described.clear();
    }

    /// Send the part of a probe that is due: the newest packets again, which may even help, or else padding.
    fn pad(&mut self, streams: &mut [&mut RtpStream], way: &mut Way<'_>) {
        let Some(mut probing) = self.probing.take() else {
            return;
        };
        let mut due = probing.due(way.now);
        let carrier = streams.iter_mut().find(|stream| stream.carries_padding());
        if let Some(stream) = carrier {
            for _ in 0..MAX_PROBE_PACKETS {
                if due == 0 {
                    break;
                }
                let Some(length) = self.transmit_padding(stream, due, probing.id(), way) else {
                    break;
                };
                due = due.saturating_sub(length as u64);
                probing.sent(length as u64);
            }
        }
        if !probing.is_over(way.now) {
            self.probing = Some(probing);
        }
    }

    /// Send one packet of padding: what was sent last once more, or else nothing but padding.
    fn transmit_padding(
        &mut self,
        stream: &mut RtpStream,
        due: u64,
        probe: u32,
        way: &mut Way<'_>,
    ) -> Option<usize> {
        let (sequence, content) = stream.resends.newest()?;
        let content = content.clone();
        let length = content.payload.len() as u64;
        if (MIN_PADDING_BYTES..=due + MIN_PADDING_BYTES).contains(&length) {
            return self.transmit_again(stream, sequence, &content, Some(probe), way);
        }
        let mid = stream.told_mid();
        let numbers = stream.numbers;
        let resends = stream.resend_stream.as_mut()?;
        let (index, payload_type) = resends.take(content.payload_type)?;
        let header = Header {
            padded: true,
            payload_type,
            time: content.time,
            sequence: index as u16,
            ssrc: resends.ssrc,
            mid: mid.as_deref(),
            ..Header::default()
        };
        let nothing = Content::default();
        let write = |room: &mut [u8]| nothing.write_payload(&[], room);
        let body = (MIN_PADDING_BYTES as usize, write);
        self.transmit(numbers, header, index, body, Some(probe), way)
    }

    /// Send a packet on the stream of resends.
    fn transmit_again(
        &mut self,
        stream: &mut RtpStream,
        original: u64,
        content: &Content,
        probe: Option<u32>,
        way: &mut Way<'_>,
    ) -> Option<usize> {
        let mid = stream.told_mid();
        let numbers = stream.numbers;
        let resends = stream.resend_stream.as_mut()?;
        let (index, payload_type) = resends.take(content.payload_type)?;
        let header = Header {
            payload_type,
            mid: mid.as_deref(),
            ..content.header(resends.ssrc, index)
        };
        // The original's number goes before it (RFC 4588 section 4).
        let prefix = (original as u16).to_be_bytes();
        let body = prefix.len() + content.payload.len();
        let write = |room: &mut [u8]| content.write_payload(&prefix, room);
        self.transmit(numbers, header, index, (body, write), probe, way)
    }

    /// Seal a packet and put it on its way. `body` is how long it is behind its header, and what writes that. Returns how
    /// long all is; `None` when it did not leave.
    fn transmit(
        &mut self,
        numbers: ExtensionNumbers,
        mut header: Header<'_>,
        index: u64,
        (body, write): (usize, impl FnOnce(&mut [u8])),
        probe: Option<u32>,
        way: &mut Way<'_>,
    ) -> Option<usize> {
        let sealer = self.sealer.as_mut()?;
        header.send_time = way.send_time;
        if numbers.transport != 0 {
            let bytes = body as u32 + RTP_HEADER_BYTES as u32;
            header.transport = Some(self.history.number(bytes, probe, way.now));
        }
        let mut written = [0; MAX_HEADER_BYTES];
        let clear = header.write(&numbers, &mut written);
        let length = clear + body + sealer.tag_bytes();
        let left = way.put(length, |packet| {
            packet[..clear].copy_from_slice(&written[..clear]);
            write(&mut packet[clear..clear + body]);
            sealer.seal(index, clear, packet)
        });
        if !left {
            return None;
        }
        // What nobody reports on says nothing of the path.
        if probe.is_none() && numbers.transport != 0 {
            self.unnoted_bytes += length as u32;
        }
        Some(length)
    }

    /// Have the estimator know what left in this turn.
    pub fn end_turn(&mut self, now: Instant) {
        let bytes = std::mem::take(&mut self.unnoted_bytes);
        if bytes > 0 {
            self.estimator.sent(bytes, now);
        }
    }
}

#[cfg(test)]
mod tests;
