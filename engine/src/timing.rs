//! How long the parts of a request took, for the field Server-Timing (W3C Server Timing) under `--debug`.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// What is known before the response begins.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// From the front's start to the engine's; None if the front did not tell.
    pub interpreter: Option<Duration>,
    /// The application's import.
    pub import: Duration,
    /// When the application was called.
    pub called: Duration,
}

/// The monotonic clock, which the front reads, too.
pub fn now() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    // It is never negative.
    Duration::try_from(time).unwrap_or_default()
}

impl Timing {
    /// The field's value, if the head leaves now; in milliseconds.
    pub fn field(&self) -> String {
        let part =
            |name: &str, time: Duration| format!("{name};dur={:.1}", time.as_secs_f64() * 1000.0);
        let interpreter = self.interpreter.map(|time| part("interpreter", time));
        let application = now().saturating_sub(self.called);
        let parts = [
            part("import", self.import),
            part("application", application),
        ];
        let parts: Vec<_> = interpreter.into_iter().chain(parts).collect();
        parts.join(", ")
    }
}
