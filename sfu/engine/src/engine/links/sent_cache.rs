//! What a link has sent of late, to be sent again: one cache for both classes, bounded in bytes and in time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::gap_list::GIVE_UP_AFTER;
use super::link_streams::AUDIO;

/// How long a packet is kept: as long as it may be asked for, and the way there and back of a long path.
pub const MAX_AGE: Duration = GIVE_UP_AFTER.saturating_add(Duration::from_millis(500));

/// What is kept at most: three seconds of 45 Mbit/s; of more, less time.
const MAX_BYTES: usize = 16 << 20;

/// What a packet costs beside its payload.
const KEPT_BYTES: usize = size_of::<Kept>() + 16;

/// The oldest packets are looked at once in so many: they lie where the processor's cache has long forgotten them.
const LOOK_EVERY: u8 = 32;

/// Resends of pictures are at most this share of what is sent, in hundredths: a path that loses 30 % needs 43.
const RESEND_PERCENT: i64 = 60;

/// What may be saved up for a burst of losses, bytes: half a second of 4 Mbit/s.
const RESEND_BURST_BYTES: i64 = 256_000;

#[derive(Debug)]
struct Kept {
    at: Instant,
    /// From then to its newest resend, microseconds; 0 before the first.
    resent_us: u32,
    payload: Arc<[u8]>,
}

#[derive(Debug, Default)]
struct OfClass {
    /// The number of the oldest; they follow each other.
    first: u64,
    kept: VecDeque<Kept>,
}

/// The packets of one link.
#[derive(Debug)]
pub struct SentCache {
    classes: [OfClass; 2],
    bytes: usize,
    /// Bytes of resends that may leave; the last one may overdraw it.
    resend_bytes: i64,
    since_look: u8,
}

impl Default for SentCache {
    fn default() -> Self {
        Self {
            classes: Default::default(),
            bytes: 0,
            resend_bytes: RESEND_BURST_BYTES,
            since_look: 0,
        }
    }
}

impl SentCache {
    /// Keep a packet that is sent now. The numbers of a class follow each other; one that does not makes those before it
    /// unknown.
    pub fn keep(&mut self, class: usize, number: u64, payload: Arc<[u8]>, now: Instant) {
        let length = payload.len();
        self.resend_bytes =
            (self.resend_bytes + length as i64 * RESEND_PERCENT / 100).min(RESEND_BURST_BYTES);
        self.bytes += KEPT_BYTES + length;
        let of_class = &mut self.classes[class];
        if of_class.first + of_class.kept.len() as u64 != number {
            for kept in of_class.kept.drain(..) {
                self.bytes -= KEPT_BYTES + kept.payload.len();
            }
            of_class.first = number;
        }
        of_class.kept.push_back(Kept {
            at: now,
            resent_us: 0,
            payload,
        });
        self.since_look += 1;
        if self.since_look >= LOOK_EVERY || self.bytes > MAX_BYTES {
            self.since_look = 0;
            self.forget_old(now);
        }
    }

    /// Let go of what is too old to be asked for, also where nothing is sent any more.
    pub fn forget_old(&mut self, now: Instant) {
        while let Some((class, oldest)) = self.oldest()
            && (self.bytes > MAX_BYTES || now.saturating_duration_since(oldest) > MAX_AGE)
        {
            let of_class = &mut self.classes[class];
            of_class.first += 1;
            if let Some(kept) = of_class.kept.pop_front() {
                self.bytes -= KEPT_BYTES + kept.payload.len();
            }
        }
    }

    fn oldest(&self) -> Option<(usize, Instant)> {
        let fronts = self.classes.iter().enumerate();
        fronts
            .filter_map(|(class, of_class)| Some((class, of_class.kept.front()?.at)))
            .min_by_key(|(_, at)| *at)
    }

    /// The packet that the other end misses, unless it was resent within `pause` (that one is still on its way) or
    /// resends are too many by now. Sound is no burden.
    pub fn take(
        &mut self,
        class: usize,
        number: u64,
        pause: Duration,
        now: Instant,
    ) -> Option<Arc<[u8]>> {
        if class != AUDIO && self.resend_bytes <= 0 {
            return None;
        }
        let of_class = self.classes.get_mut(class)?;
        let at = usize::try_from(number.checked_sub(of_class.first)?).ok()?;
        let kept = of_class.kept.get_mut(at)?;
        let age = now.saturating_duration_since(kept.at);
        let resent = Duration::from_micros(kept.resent_us.into());
        if age > MAX_AGE || (kept.resent_us > 0 && age < resent + pause) {
            return None;
        }
        kept.resent_us = (age.as_micros() as u32).max(1);
        self.resend_bytes -= kept.payload.len() as i64;
        Some(Arc::clone(&kept.payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::links::link_streams::VIDEO;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;
    use std::collections::HashMap;

    const PAUSE: Duration = Duration::from_millis(50);

    fn payload(length: usize) -> Arc<[u8]> {
        vec![7; length].into()
    }

    #[test]
    fn one_on_its_way_is_not_sent_again_and_an_old_one_neither() {
        let now = Instant::now();
        let mut cache = SentCache::default();
        cache.keep(VIDEO, 7, payload(9), now);
        let mut taken = |at| cache.take(VIDEO, 7, PAUSE, at).is_some();
        assert!(taken(now));
        assert!(!taken(now + PAUSE / 2));
        assert!(taken(now + 2 * PAUSE));
        assert!(!taken(now + 2 * MAX_AGE));
        cache.forget_old(now + 2 * MAX_AGE);
        assert_eq!(cache.bytes, 0);
    }

    #[test]
    fn resends_of_pictures_are_a_share_of_what_is_sent_and_sound_is_free() {
        let now = Instant::now();
        let mut cache = SentCache::default();
        for number in 0..1000 {
            cache.keep(VIDEO, number, payload(1000), now);
            cache.keep(AUDIO, number, payload(100), now);
        }
        let mut taken = |class| {
            let numbers = 0..1000;
            numbers
                .filter(|number| cache.take(class, *number, PAUSE, now).is_some())
                .count()
        };
        assert_eq!(taken(VIDEO), RESEND_BURST_BYTES as usize / 1000);
        assert_eq!(taken(AUDIO), 1000);
        assert!(cache.take(2, 1, PAUSE, now).is_none());
    }

    type Keep = fn(&mut SentCache, usize, u64, Arc<[u8]>, Instant);

    /// Whether a cache stays within its bounds and gives back what was put in under a number, and nothing else.
    fn holds(keep: Keep) -> bool {
        let steps =
            prop::collection::vec((0usize..2, 0u64..50, 0usize..400_000, 0u64..200), 1..200);
        let outcome = TestRunner::deterministic().run(&steps, |steps| {
            let (mut cache, mut now) = (SentCache::default(), Instant::now());
            let (mut next, mut sent) = ([1u64; 2], HashMap::new());
            for (class, skip, length, wait_ms) in steps {
                now += Duration::from_millis(wait_ms);
                next[class] += u64::from(skip == 0) + 1;
                let number = next[class];
                keep(&mut cache, class, number, payload(length), now);
                sent.insert((class, number), length);
                prop_assert!(cache.bytes <= MAX_BYTES);
                let there: usize = cache
                    .classes
                    .iter()
                    .flat_map(|one| &one.kept)
                    .map(|kept| KEPT_BYTES + kept.payload.len())
                    .sum();
                prop_assert_eq!(there, cache.bytes);
                prop_assert!(
                    cache
                        .take(class, number, PAUSE, now)
                        .is_none_or(|it| it.len() == length)
                );
                let found = cache.take(class, number - 1, PAUSE, now);
                prop_assert!(
                    found.is_none_or(|it| sent.get(&(class, number - 1)) == Some(&it.len()))
                );
            }
            Ok(())
        });
        outcome.is_ok()
    }

    #[test]
    fn a_cache_is_bounded_and_gives_back_what_was_put_in() {
        assert!(holds(SentCache::keep));
        // Believes that no number is ever skipped.
        assert!(!holds(|cache, class, number, payload, now| {
            let of_class = &mut cache.classes[class];
            of_class.first = number - of_class.kept.len() as u64;
            cache.keep(class, number, payload, now);
        }));
    }
}
