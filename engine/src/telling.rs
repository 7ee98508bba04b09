//! What is told of a request: its failures, on stderr, in the error log and to the front, and slow imports.

use std::time::Duration;

use contract::codes::Code;
use contract::handover::Detail;
use contract::report::{self, Asked, Failure};

use crate::request::Exchange;
use crate::timing;

/// A response that took longer is one that people notice.
const SLOW: Duration = Duration::from_secs(1);

impl Exchange<'_, '_> {
    /// On stderr and in the error log.
    pub fn tell(&self, failure: &Failure) {
        report::tell(
            failure,
            &self.asked().label(),
            self.job.error_log.as_deref(),
        );
        self.note(failure.clone());
    }

    /// For the front, which may have to keep it: only the first of them, and no fault of the client's.
    pub fn note(&self, failure: Failure) {
        let is_ours = failure.code.entry().status.starts_with('5');
        if is_ours && self.told.borrow().is_none() {
            self.told.replace(Some(failure));
        }
    }

    /// The request, for the answer to it.
    pub fn asked(&self) -> Asked<'_> {
        Asked {
            variables: &self.job.environment,
            form: self.job.form,
            detail: self.job.detail,
        }
    }

    /// Says so where a response was slow, and most of its time went into imports; to its author, or in a log of its
    /// own: it is no failure.
    pub fn tell_of_imports(&self) {
        if self.job.detail == Detail::Hidden && self.job.error_log.is_none() {
            return;
        }
        let (imports, whole) = (
            self.imported.get(),
            timing::now().saturating_sub(self.entered),
        );
        if whole > SLOW && imports * 2 > whole {
            let [imports, whole] = [imports, whole].map(|time| time.as_secs_f64());
            let failure = Failure::new(
                Code::SLOW_IMPORTS,
                format!("{imports:.1} of {whole:.1} seconds"),
            );
            report::tell_line(
                &format!("{failure}: wsgi-cgi check APP shows which\n"),
                self.job.error_log.as_deref(),
            );
        }
    }
}
