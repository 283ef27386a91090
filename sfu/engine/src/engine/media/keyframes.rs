//! Requests for a whole picture: many watchers ask, the source is asked at most every 300 ms.
//!
//! A request inside the window is put off to its end rather than dropped: the keyframe on its way
//! may have been made before the newest watcher could receive.

use std::time::{Duration, Instant};

use crate::engine::media::packet::MAX_ENCODINGS;

/// A keyframe costs ten frames' bits; three a second is what a source can bear.
pub const KEYFRAME_WINDOW: Duration = Duration::from_millis(300);

/// What to do about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Ask the source now.
    Now,
    /// Call [`KeyframeThrottle::wake`] then.
    At(Instant),
    /// A request is put off already and stands for this one too.
    Already,
}

/// The throttles of one track, one for each encoding that was ever asked for.
#[derive(Debug, Default)]
pub struct KeyframeThrottles(Vec<KeyframeThrottle>);

impl KeyframeThrottles {
    /// Of an encoding; what lies beyond all that there may be shares the last one.
    pub fn of(&mut self, encoding: u8) -> &mut KeyframeThrottle {
        let at = usize::from(encoding).min(MAX_ENCODINGS - 1);
        if at >= self.0.len() {
            self.0.resize_with(at + 1, KeyframeThrottle::default);
        }
        &mut self.0[at]
    }
}

/// The throttle of one encoding.
#[derive(Debug, Default)]
pub struct KeyframeThrottle {
    last: Option<Instant>,
    put_off: Option<Instant>,
}

impl KeyframeThrottle {
    /// Somebody needs a whole picture.
    pub fn ask(&mut self, now: Instant) -> Asked {
        if self.put_off.is_some() {
            return Asked::Already;
        }
        match self.last.map(|last| last + KEYFRAME_WINDOW) {
            Some(end) if end > now => {
                self.put_off = Some(end);
                Asked::At(end)
            }
            _ => {
                self.last = Some(now);
                Asked::Now
            }
        }
    }

    /// The timer of a request that was put off went off: what to do about it, if there is one. It
    /// may be too early, set by an earlier track of the same key; then it is to be set again.
    pub fn wake(&mut self, now: Instant) -> Option<Asked> {
        let at = self.put_off?;
        if at > now {
            return Some(Asked::At(at));
        }
        self.put_off = None;
        self.last = Some(now);
        Some(Asked::Now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_requests_is_two() {
        let start = Instant::now();
        let mut throttle = KeyframeThrottle::default();
        assert_eq!(throttle.ask(start), Asked::Now);
        let end = start + KEYFRAME_WINDOW;
        assert_eq!(throttle.ask(start), Asked::At(end));
        assert_eq!(throttle.ask(start), Asked::Already);
        assert_eq!(throttle.wake(start), Some(Asked::At(end)));
        assert_eq!(throttle.wake(end), Some(Asked::Now));
        assert_eq!(throttle.wake(end), None);
        assert_eq!(throttle.ask(end), Asked::At(end + KEYFRAME_WINDOW));
    }
}
