//! How long a client may take for its bytes: between two of them, and on the average.

use std::time::{Duration, Instant};

use crate::http::limits::{BODY_TIME, MIN_RATE};

/// One body's bytes, in one direction. Only the time in which the client is waited for counts.
#[derive(Debug, Default)]
pub struct Pace {
    bytes: u64,
    spent: Duration,
    since: Option<Instant>,
}

impl Pace {
    /// From now on the client is waited for, unless it is already.
    pub fn wait(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// The client has sent, or taken, this many bytes.
    pub fn moved(&mut self, bytes: usize, now: Instant) {
        self.bytes += bytes as u64;
        if let Some(since) = self.since.take() {
            self.spent += now.saturating_duration_since(since);
        }
    }

    /// Since when the client is waited for.
    pub fn waits_since(&self) -> Option<Instant> {
        self.since
    }

    /// How long the client has been waited for in all.
    pub fn waited(&self, now: Instant) -> Duration {
        let since = self.since.unwrap_or(now);
        self.spent + now.saturating_duration_since(since)
    }

    /// When the client will have taken too long, if it is waited for.
    pub fn deadline(&self) -> Option<Instant> {
        let earned = BODY_TIME + Duration::from_secs(self.bytes / MIN_RATE);
        let left = earned.saturating_sub(self.spent).min(BODY_TIME);
        self.since.map(|since| since + left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a client lasts that moves a piece each time.
    fn lasts(bytes: usize, pause: Duration) -> Duration {
        let start = Instant::now();
        let (mut pace, mut now) = (Pace::default(), start);
        while now < start + Duration::from_secs(100_000) {
            pace.wait(now);
            let deadline = pace.deadline().unwrap();
            if now + pause >= deadline {
                return deadline - start;
            }
            now += pause;
            pace.moved(bytes, now);
        }
        Duration::MAX
    }

    #[test]
    fn a_byte_now_and_then_is_not_enough_and_a_slow_line_is() {
        let seconds = Duration::from_secs;
        assert_eq!(lasts(0, seconds(40)), seconds(30));
        assert_eq!(lasts(1, seconds(20)), seconds(30));
        assert_eq!(lasts(1, Duration::from_millis(10)), seconds(37));
        assert_eq!(lasts(1000, seconds(1)), Duration::MAX);
        assert_eq!(lasts(16_000, seconds(29)), Duration::MAX);
        // However much it has taken before.
        assert_eq!(lasts(1_000_000, seconds(31)), seconds(30));
    }

    #[test]
    fn a_client_that_is_not_waited_for_has_no_deadline() {
        let mut pace = Pace::default();
        assert_eq!(pace.deadline(), None);
        let now = Instant::now();
        pace.wait(now);
        pace.moved(1, now);
        assert_eq!(pace.deadline(), None);
        assert_eq!(pace.waited(now + BODY_TIME), Duration::ZERO);
    }

    #[test]
    fn what_a_client_takes_now_and_then_does_not_shorten_how_long_it_was_waited_for() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        for waited in 1..=3 {
            pace.wait(now);
            now += Duration::from_secs(1);
            assert_eq!(pace.waited(now), Duration::from_secs(waited));
            pace.moved(8000, now);
        }
    }
}
