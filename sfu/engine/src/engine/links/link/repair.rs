//! What a link's path loses is sent again, and what came of all is reported.

use std::time::{Duration, Instant};

use super::super::gap_list::{GapList, Range};
use super::super::link_signal::LinkSignal;
use super::super::link_streams::{RESENDS, VIDEO, ticks};
use super::super::resent::Resent;
use super::Link;
use crate::engine::counters::Counters;
use crate::engine::egress::way::Way;
use crate::engine::srtp::opener::Opened;

/// A packet is not resent twice within most of a round trip, and never sooner than this.
const LEAST_PAUSE: Duration = Duration::from_millis(5);

impl Link {
    /// The round trip, once it was measured.
    #[must_use]
    pub fn rtt(&self, now: Instant) -> Option<Duration> {
        let measured = self.health.as_ref()?.measured(now)?;
        Some(Duration::from_secs_f64(measured.rtt_ms.max(0.0) / 1000.0))
    }

    /// When a link is to be woken, once its control channel is open. What it would have to send waits until packets flow.
    #[must_use]
    pub fn deadline(&self, flows: bool) -> Option<Instant> {
        let health = self.health.as_ref()?.deadline();
        if !flows {
            return Some(health);
        }
        let [audio, video] = &self.gaps;
        let others = [audio.deadline(), video.deadline(), self.report_due()];
        Some(others.into_iter().flatten().fold(health, Instant::min))
    }

    /// What a packet of media carries, unless that came before; of the stream of a class, or of that of resends.
    pub fn unrepeated<'a>(
        &mut self,
        packet: &Opened<'a>,
        now: Instant,
        counters: &mut Counters,
    ) -> Option<&'a [u8]> {
        self.arrivals.count(packet.payload.len());
        let fresh = if packet.stream == RESENDS {
            let Some(resent) = Resent::decode(packet.payload) else {
                counters.count("link_frames_malformed");
                return None;
            };
            let missed = self.gaps[resent.class].take_resent(resent.number);
            missed.then_some(resent.payload)
        } else {
            self.arrivals.note(packet.time, now);
            let first = self.gaps.get_mut(packet.stream)?.arrive(packet.number, now);
            first.then_some(packet.payload)
        };
        if fresh.is_none() {
            counters.count("link_packets_repeated");
        }
        fresh
    }

    /// What is due to be told to the other end.
    pub fn tell(&mut self, now: Instant, counters: &mut Counters) -> Vec<LinkSignal> {
        if self.health.is_none() {
            return Vec::new();
        }
        let rtt = self.rtt(now);
        let mut signals = Vec::new();
        for (class, gaps) in (0..).zip(&mut self.gaps) {
            let ranges = gaps.ask(rtt, now);
            if !ranges.is_empty() {
                signals.push(LinkSignal::Missing { class, ranges });
            }
            let given_up = gaps.take_given_up();
            if given_up > 0 {
                counters.add("link_packets_missing", given_up.into());
            }
        }
        if self.report_due().is_some_and(|at| at <= now) {
            signals.push(self.report(now));
        }
        signals
    }

    /// When the other end is to be told what came, once something did.
    pub(super) fn report_due(&self) -> Option<Instant> {
        let missing = self.gaps.iter().any(GapList::has_found);
        self.arrivals.deadline(missing)
    }

    /// Say what came.
    fn report(&mut self, now: Instant) -> LinkSignal {
        let lost = self.gaps.iter_mut().map(|gaps| gaps.take_found());
        let lost = lost.fold(0, u32::saturating_add);
        LinkSignal::Received(self.arrivals.report(lost, now))
    }

    /// Say what came beside packets that leave now, if it is time; `true` when it was.
    pub fn report_along(&mut self, way: &mut Way<'_>) -> bool {
        let ripe = self.arrivals.ripe().is_some_and(|at| at <= way.now);
        if ripe {
            let report = self.report(way.now);
            self.signal(&report, way);
        }
        ripe
    }

    /// How far each class was sent, if the other end was not told; to be asked now and then.
    pub fn tell_sent(&mut self, now: Instant) -> Option<LinkSignal> {
        self.sent.forget_old(now);
        let before = self.sender.next_of_classes();
        let told = std::mem::replace(&mut self.told_sent, before);
        (told != before).then_some(LinkSignal::Sent { before })
    }

    /// The other end says how far each class was sent.
    pub fn hear_sent(&mut self, before: [u64; 2], now: Instant) {
        for (class, (gaps, before)) in self.gaps.iter_mut().zip(before).enumerate() {
            gaps.sent_before(before, now);
            if let Some(opener) = &mut self.opener {
                opener.used_before(class, before);
            }
        }
    }

    /// Send again what the other end misses; of pictures nothing while the path is full. Returns how many packets left.
    pub fn resend(&mut self, class: usize, ranges: &[Range], way: &mut Way<'_>) -> u64 {
        if class == VIDEO && self.budget.is_full() {
            return 0;
        }
        let now = way.now;
        let pause = (self.rtt(now).unwrap_or_default() * 3 / 4).max(LEAST_PAUSE);
        let time = ticks(now.saturating_duration_since(self.epoch));
        let mut resent = 0;
        for range in ranges {
            for number in range.first..range.first.saturating_add(range.count.into()) {
                let Some(payload) = self.sent.take(class, number, pause, now) else {
                    continue;
                };
                let again = Resent {
                    class,
                    number,
                    payload: &payload,
                };
                let left = self.sender.send(RESENDS, again.encode(), time, way);
                resent += u64::from(left);
            }
        }
        resent
    }
}
