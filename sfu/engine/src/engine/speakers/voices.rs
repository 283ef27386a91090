//! The tracks of sound of one room on one worker: how loud they are, and which of them go on.
//!
//! Who of the whole room is forwarded is decided in one place, the room's [`super::floor`]; here is
//! what it is told, and what is done with its word.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::loudness::Loudness;
use crate::engine::media::rewrite::SourceRun;
use crate::engine::router::TrackKey;

/// Levels are told this often while somebody speaks.
pub const REPORT_EVERY: Duration = Duration::from_millis(100);

/// Names a voice; never used twice, by no worker.
pub type VoiceNumber = u64;

#[derive(Debug)]
struct Voice {
    number: VoiceNumber,
    loudness: Loudness,
    /// Says how loud it is; else it is always forwarded and never compared.
    speaks_up: bool,
    /// Has one of the room's places.
    has_place: bool,
    gate: Gate,
}

/// Names another run for what comes after a pause, so that whoever numbers the packets anew sees no
/// gap where packets were held back.
#[derive(Debug, Default)]
struct Gate {
    paused: bool,
    /// The source's run, and what it is called instead.
    renamed: Option<(SourceRun, SourceRun)>,
}

impl Gate {
    fn pass(&mut self, run: SourceRun, runs: &mut SourceRun) -> SourceRun {
        if std::mem::take(&mut self.paused) {
            *runs += 1;
            self.renamed = Some((run, *runs));
        }
        match self.renamed {
            Some((known, name)) if known == run => name,
            _ => run,
        }
    }
}

/// What a packet of sound says.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// `None` when it does not say how loud it is.
    pub below_overload_db: Option<u8>,
    pub time: u32,
}

/// How a voice is at the moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    pub number: VoiceNumber,
    pub track: TrackKey,
    /// dB, from -70 to 0.
    pub level_db: f32,
    /// Whether it is speech.
    pub speaks: bool,
}

/// The tracks of sound of one room on one worker.
#[derive(Debug, Default)]
pub struct Voices {
    voices: BTreeMap<TrackKey, Voice>,
    /// Only those that have a place are forwarded.
    places_count: bool,
    reported_at: Option<Instant>,
    /// A voice that was reported ended since.
    owes_report: bool,
}

impl Voices {
    /// Whether only those that have a place are forwarded, or all.
    pub fn let_places_count(&mut self, places_count: bool) {
        self.places_count = places_count;
    }

    /// Hear a packet of a track; `true` when the room is to be told now, by [`Voices::report`].
    /// `numbers` is counted up for a number that nobody else has.
    pub fn hear(
        &mut self,
        track: TrackKey,
        sample: Sample,
        numbers: &mut VoiceNumber,
        now: Instant,
    ) -> bool {
        let voice = self.voices.entry(track).or_insert_with(|| {
            *numbers += 1;
            Voice {
                number: *numbers,
                loudness: Loudness::new(now),
                speaks_up: false,
                has_place: false,
                gate: Gate::default(),
            }
        });
        let Some(level) = sample.below_overload_db else {
            return false;
        };
        let begins = !std::mem::replace(&mut voice.speaks_up, true);
        let spoke = voice.loudness.speaks();
        voice.loudness.hear(level, sample.time, now);
        let due = self.reported_at.is_none_or(|at| now >= at + REPORT_EVERY);
        begins || voice.loudness.speaks() && (due || !spoke)
    }

    /// What a packet of a track goes on as: of this run. `runs` is counted up for a name that no
    /// other run has.
    ///
    /// A track that never said how loud it is is always forwarded, on top of the loudest: to fall
    /// silent for want of a header extension would be a fault that nobody could find.
    pub fn pass(
        &mut self,
        track: TrackKey,
        run: SourceRun,
        runs: &mut SourceRun,
    ) -> Option<SourceRun> {
        let is_forwarded = self.is_forwarded(track);
        let Some(voice) = self.voices.get_mut(&track) else {
            return Some(run);
        };
        if is_forwarded {
            return Some(voice.gate.pass(run, runs));
        }
        voice.gate.paused = true;
        None
    }

    /// Whether a track is forwarded.
    #[must_use]
    pub fn is_forwarded(&self, track: TrackKey) -> bool {
        let voice = self.voices.get(&track);
        !self.places_count || voice.is_none_or(|voice| voice.has_place || !voice.speaks_up)
    }

    /// The track ended. Says whether the room is to be told.
    pub fn end(&mut self, track: TrackKey) -> bool {
        let ended = self.voices.remove(&track);
        self.owes_report |= ended.is_some_and(|voice| voice.speaks_up);
        self.owes_report
    }

    /// Whether somebody that the room knows of ended, and it was not told.
    #[must_use]
    pub fn owes_report(&self) -> bool {
        self.owes_report
    }

    /// All voices that say how loud they are, and when to tell of them again.
    pub fn report(&mut self, now: Instant) -> (Vec<Level>, Option<Instant>) {
        self.reported_at = Some(now);
        self.owes_report = false;
        let mut levels = Vec::with_capacity(self.voices.len());
        for (track, voice) in &mut self.voices {
            if voice.speaks_up {
                voice.loudness.fade(now);
                levels.push(Level {
                    number: voice.number,
                    track: *track,
                    level_db: voice.loudness.level_db(),
                    speaks: voice.loudness.speaks(),
                });
            }
        }
        let somebody_speaks = levels.iter().any(|level| level.speaks);
        (levels, somebody_speaks.then(|| now + REPORT_EVERY))
    }

    /// These have the places of the room, and no others.
    pub fn place(&mut self, numbers: &[VoiceNumber]) {
        for voice in self.voices.values_mut() {
            voice.has_place = numbers.contains(&voice.number);
        }
    }

    /// Whether nothing was heard.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.voices.is_empty()
    }
}
