//! How loud one track is: quick to rise, slow to fall.

use std::time::{Duration, Instant};

/// Levels below count as this one, so that speech need not climb out of digital silence first.
/// A quiet room through a good microphone lies at about -65 dB.
pub const FLOOR_DB: f32 = -70.0;

/// Above this it is speech; levelled speech lies at -35 to -20 dB (RFC 6464 counts from overload).
pub const SPEAKS_ABOVE_DB: f32 = -50.0;

/// Below this speech has ended. The distance keeps the gaps between words inside.
pub const ENDS_BELOW_DB: f32 = -60.0;

/// With it a click of 40 ms at full level stays below speech, and words begin to count after 60 ms.
const ATTACK_S: f32 = 0.1;

/// With it speech at -25 dB counts for another 0.9 s, longer than the gap between two words.
const RELEASE_S: f32 = 0.6;

/// The longest packets of Opus are 120 ms (RFC 6716); what is not heard for longer is silence.
const GAP: Duration = Duration::from_millis(150);

/// Stands for a packet whose time stamp says nothing: what browsers send.
const USUAL_PACKET_S: f32 = 0.02;

/// Time stamps further apart than this are a gap, not a packet.
const LONGEST_PACKET_S: f32 = 0.12;

const TICKS_PER_S: f32 = 48_000.0;

/// The level of one track over time.
#[derive(Debug, Clone, Copy)]
pub struct Loudness {
    level_db: f32,
    speaks: bool,
    time: Option<u32>,
    /// Everything up to here is in the level.
    until: Instant,
}

impl Loudness {
    /// A track that was silent so far.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            level_db: FLOOR_DB,
            speaks: false,
            time: None,
            until: now,
        }
    }

    /// Hear a packet: its level (dB below overload, 0 to 127) and its RTP time stamp.
    pub fn hear(&mut self, below_overload_db: u8, time: u32, now: Instant) {
        self.fade(now);
        let span = self.time.replace(time).map_or(USUAL_PACKET_S, |before| {
            let ticks = time.wrapping_sub(before) as i32;
            let span = ticks as f32 / TICKS_PER_S;
            if span > 0.0 && span <= LONGEST_PACKET_S {
                span
            } else {
                USUAL_PACKET_S
            }
        });
        self.until = now;
        self.approach((-f32::from(below_overload_db)).max(FLOOR_DB), span);
    }

    /// Let time pass without a packet.
    pub fn fade(&mut self, now: Instant) {
        let silent_from = self.until + GAP;
        if now > silent_from {
            self.approach(FLOOR_DB, (now - silent_from).as_secs_f32());
            self.until = now.checked_sub(GAP).unwrap_or(now);
        }
    }

    /// dB, from [`FLOOR_DB`] to 0.
    #[must_use]
    pub fn level_db(&self) -> f32 {
        self.level_db
    }

    /// Whether it is speech.
    #[must_use]
    pub fn speaks(&self) -> bool {
        self.speaks
    }

    fn approach(&mut self, target_db: f32, span_s: f32) {
        let constant_s = if target_db > self.level_db {
            ATTACK_S
        } else {
            RELEASE_S
        };
        self.level_db += (target_db - self.level_db) * (1.0 - (-span_s / constant_s).exp());
        if self.level_db >= SPEAKS_ABOVE_DB {
            self.speaks = true;
        } else if self.level_db < ENDS_BELOW_DB {
            self.speaks = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: Duration = Duration::from_millis(20);

    /// Play packets of 20 ms; whether it was speech after each.
    fn play(loudness: &mut Loudness, start: Instant, levels: &[u8]) -> Vec<bool> {
        levels
            .iter()
            .zip(0u32..)
            .map(|(level, number)| {
                loudness.hear(*level, number * 960, start + PACKET * number);
                loudness.speaks()
            })
            .collect()
    }

    #[test]
    fn words_count_after_60_ms_and_a_click_does_not() {
        let now = Instant::now();
        let mut talk = Loudness::new(now);
        let spoke = play(&mut talk, now, &[25; 10]);
        assert_eq!(spoke.iter().position(|speaks| *speaks), Some(2));
        let mut click = Loudness::new(now);
        let levels = [vec![127; 5], vec![10; 1], vec![127; 20]].concat();
        assert!(!play(&mut click, now, &levels).contains(&true));
    }

    #[test]
    fn the_gap_between_words_is_speech_and_two_seconds_of_silence_are_not() {
        let now = Instant::now();
        let mut talk = Loudness::new(now);
        let levels = [vec![25; 30], vec![127; 25], vec![25; 20], vec![127; 100]].concat();
        let spoke = play(&mut talk, now, &levels);
        assert!(spoke[5..75].iter().all(|speaks| *speaks));
        assert!(!spoke[174]);
    }

    #[test]
    fn a_track_that_sends_nothing_falls_silent_as_one_that_sends_silence() {
        let now = Instant::now();
        let mut talk = Loudness::new(now);
        play(&mut talk, now, &[25; 50]);
        let end = now + PACKET * 50;
        talk.fade(end + Duration::from_millis(400));
        assert!(talk.speaks());
        for step in 4..20 {
            talk.fade(end + Duration::from_millis(100 * step));
        }
        assert!(!talk.speaks());
        let level = talk.level_db();
        talk.fade(end + Duration::from_millis(1900));
        assert!((talk.level_db() - level).abs() < 0.01, "no time, no change");
        assert!(level >= FLOOR_DB);
    }

    #[test]
    fn packets_that_come_all_at_once_count_as_long_as_they_last() {
        let now = Instant::now();
        let (mut paced, mut burst) = (Loudness::new(now), Loudness::new(now));
        play(&mut paced, now, &[25; 5]);
        for number in 0..5u32 {
            burst.hear(25, number * 960, now);
        }
        assert!((paced.level_db() - burst.level_db()).abs() < 0.01);
        burst.hear(25, u32::MAX / 2, now);
        burst.hear(25, 0, now);
        assert!(burst.level_db() <= -25.0);
    }
}
