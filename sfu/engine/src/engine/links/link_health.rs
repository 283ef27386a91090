//! How well a link is, judged by its keepalives: a core without clock or socket.
//!
//! Both sides send one every 200 ms. Each carries the send time of the newest one received and how
//! long it was held, so every keepalive closes a round trip. Three missed ones make the link
//! *suspect*; the next one clears it.

use std::time::{Duration, Instant};

use super::link_signal::Keepalive;

/// Fast enough that a dead link is suspect within a second, at 0.3 kB/s.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_millis(200);

/// Three missed, and half an interval for a network that is late rather than gone.
const SUSPECT_AFTER: Duration = Duration::from_millis(700);

/// How often the node hears.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Weight of a new sample in the smoothed round trip, as TCP's (RFC 6298 section 2).
const RTT_GAIN: f64 = 1.0 / 8.0;

/// Weight of a new sample in the jitter (RFC 3550 section 6.4.1).
const JITTER_GAIN: f64 = 1.0 / 16.0;

/// Keepalives that loss is counted over: 12.8 s.
const WINDOW: u32 = 64;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum HealthEffect {
    Send(Keepalive),
    Report(Health),
    Suspect,
    Recovered,
}

/// What the keepalives say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Health {
    pub rtt_ms: f64,
    pub jitter_ms: f64,
    /// Share of the other side's keepalives that did not arrive, 0 to 1.
    pub loss: f64,
}

/// The state of one link's keepalives, from the moment its control channel opened.
#[derive(Debug)]
pub struct LinkHealth {
    started: Instant,
    next_send: Instant,
    next_report: Instant,
    sequence: u32,
    heard: Option<Heard>,
    /// When silence began: the last keepalive, or the start.
    quiet_since: Instant,
    suspect: bool,
    rtt_ms: Option<f64>,
    jitter_ms: f64,
}

#[derive(Debug)]
struct Heard {
    first: u32,
    newest: u32,
    /// Bit n is set when `newest - n` arrived.
    arrived: u64,
    sent_us: u64,
    at: Instant,
}

impl LinkHealth {
    /// Begin at `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            started: now,
            next_send: now,
            next_report: now + REPORT_INTERVAL,
            sequence: 0,
            heard: None,
            quiet_since: now,
            suspect: false,
            rtt_ms: None,
            jitter_ms: 0.0,
        }
    }

    /// When [`LinkHealth::elapse`] is to be called.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        let next = self.next_send.min(self.next_report);
        if self.suspect {
            next
        } else {
            next.min(self.quiet_since + SUSPECT_AFTER)
        }
    }

    /// Nothing was heard for so long that the path may be gone.
    #[must_use]
    pub fn is_suspect(&self) -> bool {
        self.suspect
    }

    /// The last measurement, once a round trip was closed.
    #[must_use]
    pub fn measured(&self, now: Instant) -> Option<Health> {
        Some(Health {
            rtt_ms: self.rtt_ms?,
            jitter_ms: self.jitter_ms,
            loss: self.loss(now),
        })
    }

    /// Do what is due.
    pub fn elapse(&mut self, now: Instant) -> Vec<HealthEffect> {
        let mut effects = Vec::new();
        if now >= self.next_send {
            // Late ones keep the beat, but never two at once.
            let beat = self.next_send + KEEPALIVE_INTERVAL;
            self.next_send = beat.max(now + KEEPALIVE_INTERVAL / 2);
            effects.push(HealthEffect::Send(self.keepalive(now)));
        }
        if now >= self.next_report {
            self.next_report = now + REPORT_INTERVAL;
            effects.extend(self.measured(now).map(HealthEffect::Report));
        }
        if !self.suspect && now >= self.quiet_since + SUSPECT_AFTER {
            self.suspect = true;
            effects.push(HealthEffect::Suspect);
        }
        effects
    }

    /// Take a keepalive of the other side.
    pub fn hear(&mut self, keepalive: Keepalive, now: Instant) -> Option<HealthEffect> {
        let newer = self.note_arrival(keepalive, now);
        if newer && keepalive.echo_us != 0 {
            self.close_round_trip(keepalive, now);
        }
        self.quiet_since = now;
        std::mem::take(&mut self.suspect).then_some(HealthEffect::Recovered)
    }

    /// Our clock: microseconds since the start, never 0, which means "none" in an echo.
    fn clock_us(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.started).as_micros() as u64 + 1
    }

    fn keepalive(&mut self, now: Instant) -> Keepalive {
        self.sequence = self.sequence.wrapping_add(1);
        let (echo_us, held_us) = self.heard.as_ref().map_or((0, 0), |heard| {
            let held = now.saturating_duration_since(heard.at).as_micros();
            (heard.sent_us, u32::try_from(held).unwrap_or(u32::MAX))
        });
        Keepalive {
            sequence: self.sequence,
            sent_us: self.clock_us(now),
            echo_us,
            held_us,
        }
    }

    fn note_arrival(&mut self, keepalive: Keepalive, now: Instant) -> bool {
        let Some(heard) = &mut self.heard else {
            self.heard = Some(Heard {
                first: keepalive.sequence,
                newest: keepalive.sequence,
                arrived: 1,
                sent_us: keepalive.sent_us,
                at: now,
            });
            return true;
        };
        let ahead = keepalive.sequence.wrapping_sub(heard.newest) as i32;
        if ahead <= 0 {
            let behind = ahead.unsigned_abs();
            if behind < WINDOW {
                heard.arrived |= 1 << behind;
            }
            return false;
        }
        let spacing_us = now.saturating_duration_since(heard.at).as_micros() as f64;
        let sent_us = keepalive.sent_us.saturating_sub(heard.sent_us) as f64;
        let deviation_ms = (spacing_us - sent_us).abs() / 1000.0;
        self.jitter_ms += (deviation_ms - self.jitter_ms) * JITTER_GAIN;
        heard.arrived = heard.arrived.checked_shl(ahead as u32).unwrap_or(0) | 1;
        heard.newest = keepalive.sequence;
        heard.sent_us = keepalive.sent_us;
        heard.at = now;
        true
    }

    fn close_round_trip(&mut self, keepalive: Keepalive, now: Instant) {
        let away_us = self.clock_us(now).saturating_sub(keepalive.echo_us);
        let rtt_ms = away_us.saturating_sub(u64::from(keepalive.held_us)) as f64 / 1000.0;
        self.rtt_ms = Some(match self.rtt_ms {
            None => rtt_ms,
            Some(smooth) => smooth + (rtt_ms - smooth) * RTT_GAIN,
        });
    }

    fn loss(&self, now: Instant) -> f64 {
        let Some(heard) = &self.heard else {
            return 0.0;
        };
        let known = heard.newest.wrapping_sub(heard.first).min(WINDOW - 1) + 1;
        let arrived = heard.arrived.count_ones().min(known);
        // Silence counts too: what should have come since, less the one that may be on its way.
        let silence = now.saturating_duration_since(heard.at).as_millis();
        let overdue = (silence / KEEPALIVE_INTERVAL.as_millis()).saturating_sub(1);
        let overdue = u32::try_from(overdue).unwrap_or(WINDOW).min(WINDOW);
        f64::from(known - arrived + overdue) / f64::from(known + overdue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Two ends and a path of `delay` each way on which `lost` decides.
    fn run(
        delay: Duration,
        until: Duration,
        lost: impl Fn(u32) -> bool,
    ) -> (LinkHealth, Vec<HealthEffect>, Instant) {
        let start = Instant::now();
        let (mut ours, mut theirs) = (LinkHealth::new(start), LinkHealth::new(start));
        let mut effects = Vec::new();
        let mut flying: Vec<(Instant, bool, Keepalive)> = Vec::new();
        let mut now = start;
        while now < start + until {
            for effect in ours.elapse(now) {
                if let HealthEffect::Send(keepalive) = effect {
                    flying.push((now + delay, true, keepalive));
                } else {
                    effects.push(effect);
                }
            }
            for effect in theirs.elapse(now) {
                if let HealthEffect::Send(keepalive) = effect
                    && !lost(keepalive.sequence)
                {
                    flying.push((now + delay, false, keepalive));
                }
            }
            for (_, to_them, keepalive) in flying.extract_if(.., |(at, ..)| *at <= now) {
                if to_them {
                    theirs.hear(keepalive, now);
                } else {
                    effects.extend(ours.hear(keepalive, now));
                }
            }
            now += MS;
        }
        (ours, effects, now)
    }

    #[test]
    fn a_clean_path_shows_its_round_trip_and_no_loss() {
        let (ours, effects, now) = run(40 * MS, Duration::from_secs(5), |_| false);
        let health = ours.measured(now).unwrap();
        assert!((health.rtt_ms - 80.0).abs() < 3.0, "{health:?}");
        assert!(health.jitter_ms < 2.0 && health.loss == 0.0, "{health:?}");
        let reports = effects
            .iter()
            .filter(|effect| matches!(effect, HealthEffect::Report(_)));
        assert!((3..=5).contains(&reports.count()));
        assert!(!effects.contains(&HealthEffect::Suspect));
    }

    #[test]
    fn lost_keepalives_are_counted() {
        let (ours, effects, now) = run(MS, Duration::from_secs(20), |sequence| sequence % 4 == 0);
        let loss = ours.measured(now).unwrap().loss;
        assert!((loss - 0.25).abs() < 0.03, "{loss}");
        assert!(!effects.contains(&HealthEffect::Suspect));
    }

    #[test]
    fn silence_is_suspect_within_a_second_and_one_keepalive_clears_it() {
        let (_, effects, _) = run(MS, Duration::from_secs(8), |sequence| {
            (10..20).contains(&sequence)
        });
        let changes: Vec<_> = effects
            .into_iter()
            .filter(|effect| matches!(effect, HealthEffect::Suspect | HealthEffect::Recovered))
            .collect();
        assert_eq!(changes, [HealthEffect::Suspect, HealthEffect::Recovered]);
        let (ours, effects, _) = run(MS, 900 * MS, |_| true);
        assert!(effects.contains(&HealthEffect::Suspect));
        assert!(ours.rtt_ms.is_none());
    }

    /// Numbers of the other side's choice: two leaps of half the circle end just before the first.
    #[test]
    fn numbers_that_leap_around_the_circle_leave_a_share_lost() {
        let now = Instant::now();
        let mut health = LinkHealth::new(now);
        for sequence in [0, i32::MAX as u32, u32::MAX - 1, u32::MAX] {
            let keepalive = Keepalive {
                sequence,
                sent_us: u64::MAX,
                echo_us: u64::MAX,
                held_us: u32::MAX,
            };
            health.hear(keepalive, now);
        }
        let measured = health.measured(now).unwrap();
        assert!((0.0..=1.0).contains(&measured.loss), "{measured:?}");
    }
}
