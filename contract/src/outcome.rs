//! How a request ended, and the exit status that says so.

/// The end of one request. The exit status names whose fault it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The whole response was written, whatever its HTTP status, or its reader went away.
    Complete,
    /// The application failed: no answer, an answer that is not WSGI, or one cut short.
    ApplicationFailed,
    /// The command line or a setting cannot be read.
    BadUsage,
    /// The application or an interpreter for it was not found.
    NotFound,
    /// `--timeout` ran out.
    TimedOut,
    /// A signal with this number ended the run.
    Killed(u8),
}

impl Outcome {
    /// The exit status of the process that the web server or the shell knows.
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::ApplicationFailed => 1,
            Self::BadUsage => 2,
            Self::NotFound => 3,
            Self::TimedOut => 124,
            Self::Killed(signal) => 128 | signal,
        }
    }

    pub(crate) fn to_byte(self) -> u8 {
        self.exit_status()
    }

    /// What an exit status of ours says.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Complete,
            1 => Self::ApplicationFailed,
            2 => Self::BadUsage,
            3 => Self::NotFound,
            124 => Self::TimedOut,
            129.. => Self::Killed(byte & 127),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_survives_the_handover() {
        for outcome in [
            Outcome::Complete,
            Outcome::ApplicationFailed,
            Outcome::BadUsage,
            Outcome::NotFound,
            Outcome::TimedOut,
            Outcome::Killed(15),
        ] {
            assert_eq!(Outcome::from_byte(outcome.to_byte()), Some(outcome));
        }
        assert_eq!(Outcome::from_byte(77), None);
    }
}
