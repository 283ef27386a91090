//! Bytes over the last half second, as a rate.

/// Width of a bucket: what the shortest window can be off by.
const BUCKET_US: i64 = 25_000;

/// Buckets that are kept: half a second, in which a picture's frames even out (libwebrtc begins with as much).
const BUCKETS: i64 = 20;

/// Shorter than this, two packets say nothing about a rate.
const LEAST_US: i64 = 100_000;

/// Half a second: what flows.
pub const LONG: i64 = BUCKETS;

/// 200 ms: what gets through a path that is full, soon after it became full. Six frames.
pub const SHORT: i64 = 8;

/// A sliding count of bytes; its clock may be anyone's.
#[derive(Debug, Default)]
pub struct RateWindow {
    bytes: [u64; BUCKETS as usize],
    /// The first and the newest time since the last pause, in microseconds.
    span: Option<(i64, i64)>,
}

impl RateWindow {
    /// Count `bytes` at `at_us`. A clock that stands off by more than the window begins anew.
    pub fn add(&mut self, at_us: i64, bytes: u32) {
        let (since, newest) = match self.span {
            Some((since, newest))
                if at_us.saturating_sub(newest).saturating_abs() < BUCKETS * BUCKET_US =>
            {
                (since, newest)
            }
            _ => {
                self.bytes = [0; BUCKETS as usize];
                (at_us, at_us)
            }
        };
        let (from, to) = (newest.div_euclid(BUCKET_US), at_us.div_euclid(BUCKET_US));
        for bucket in from + 1..=to {
            self.bytes[slot(bucket)] = 0;
        }
        // One that comes late may belong to a bucket that is no longer kept; it then counts as new.
        let counted = if from - to < BUCKETS { to } else { from };
        let kept = &mut self.bytes[slot(counted)];
        *kept = kept.saturating_add(u64::from(bytes));
        self.span = Some((since.min(at_us), newest.max(at_us)));
    }

    /// Bit/s over the newest `buckets` up to the newest packet; `None` before there were enough.
    #[must_use]
    pub fn bps(&self, buckets: i64) -> Option<f64> {
        let (_, newest) = self.span?;
        self.bps_until(buckets, newest)
    }

    /// Bit/s over the `buckets` that end at `now_us`: silence since the newest packet counts.
    #[must_use]
    pub fn bps_until(&self, buckets: i64, now_us: i64) -> Option<f64> {
        let (since, newest) = self.span?;
        if now_us < newest || now_us.saturating_sub(since) < LEAST_US {
            return None;
        }
        let (last, end) = (newest.div_euclid(BUCKET_US), now_us.div_euclid(BUCKET_US));
        let first = (end - buckets.min(BUCKETS) + 1).max(since.div_euclid(BUCKET_US));
        let bytes: u64 = (first..=last)
            .map(|bucket| self.bytes[slot(bucket)])
            .fold(0, u64::saturating_add);
        let begin = first.saturating_mul(BUCKET_US).max(since);
        let width = now_us.saturating_sub(begin).max(LEAST_US / 2);
        Some(bytes as f64 * 8e6 / width as f64)
    }
}

fn slot(bucket: i64) -> usize {
    bucket.rem_euclid(BUCKETS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steady(from_us: i64, until_us: i64, every_us: i64, window: &mut RateWindow) {
        let mut at = from_us;
        while at < until_us {
            window.add(at, 1000);
            at += every_us;
        }
    }

    fn assert_near(one: Option<f64>, other: f64) {
        let one = one.unwrap();
        assert!((one / other - 1.0).abs() < 0.1, "{one} is not near {other}");
    }

    #[test]
    fn a_steady_flow_is_measured_and_a_short_window_sees_a_change_first() {
        let mut window = RateWindow::default();
        steady(-7_000_000, -5_000_000, 4000, &mut window);
        assert_near(window.bps(LONG), 2_000_000.0);
        steady(-5_000_000, -4_800_000, 16_000, &mut window);
        assert_near(window.bps(SHORT), 500_000.0);
        assert!(window.bps(LONG).unwrap() > 1_000_000.0);
        assert_near(window.bps_until(LONG, -4_500_000), 190_000.0);
        assert_near(window.bps_until(LONG, -4_000_000).map(|bps| bps + 1.0), 1.0);
    }

    #[test]
    fn nothing_is_said_too_early_and_pauses_do_not_count() {
        let mut window = RateWindow::default();
        assert_eq!(window.bps(LONG), None);
        steady(0, 90_000, 4000, &mut window);
        assert_eq!(window.bps(LONG), None);
        steady(5_000_000, 5_200_000, 4000, &mut window);
        assert_near(window.bps(LONG), 2_000_000.0);
    }

    #[test]
    fn clocks_may_say_anything() {
        let mut window = RateWindow::default();
        for at in [
            i64::MAX,
            i64::MIN,
            0,
            i64::MIN,
            i64::MAX - 1,
            i64::MAX,
            -1,
            400_000,
            0,
        ] {
            window.add(at, u32::MAX);
            assert!(window.bps(LONG).is_none_or(f64::is_finite));
            assert!(window.bps_until(LONG, i64::MAX).is_none_or(f64::is_finite));
            assert!(window.bps_until(LONG, i64::MIN).is_none_or(f64::is_finite));
        }
    }
}
