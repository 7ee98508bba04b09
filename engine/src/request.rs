//! One request from its descriptors to its outcome: the sentence of PEP 3333.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contract::codes::Code;
use contract::descriptors::adopt;
use contract::handover::{Detail, Ending, Job, Observed, Runs};
use contract::outcome::Outcome;
use contract::progress::{Reached, State};
use contract::report::{self, Failure};
use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::descriptors::{self, Descriptors};
use crate::environ::{self, variable};
use crate::errors::Errors;
use crate::failure::from_exception;
use crate::file_wrapper::FileWrapper;
use crate::input::Input;
use crate::input_stream::{InputStream, lock, uninterrupted};
use crate::response::{Method, Response};
use crate::start_response::{StartResponse, kind, write};
use crate::timing::{self, Timing};
use crate::{application, checking, ending, startup, termination};

/// Reads the job, serves the request on 0, 1 and 2, and ends the process.
///
/// Returns only with an error from before anything could be answered: Python prints it, and the
/// front answers.
pub fn serve(py: Python<'_>, job: RawFd, control: RawFd, progress: RawFd) -> PyResult<()> {
    let entered = timing::now();
    let not_ours = || io::Error::other("the descriptors of the handover are not open");
    let control = File::from(adopt(control).ok_or_else(not_ours)?);
    let progress = Reached::new(adopt(progress).ok_or_else(not_ours)?);
    let job = Job::read(&mut File::from(adopt(job).ok_or_else(not_ours)?))?;
    progress.tell(State::Running)?;
    let prepare = || startup::prepare(py, &job);
    run(py, entered, &job, control, progress, None, prepare)
}

/// Serves a request on 0, 1 and 2, by an application that is imported already or is to be imported, and ends
/// the process. `prepare` makes the interpreter what the job wants.
pub fn run(
    py: Python<'_>,
    entered: Duration,
    job: &Job,
    control: impl Write,
    progress: Reached,
    application: Option<&Bound<'_, PyAny>>,
    prepare: impl FnOnce() -> PyResult<()>,
) -> PyResult<()> {
    let own = descriptors::take_over()?;
    let exchange = Exchange::begin(py, entered, job, own, progress, application)?;
    prepare()?;
    let ending = exchange.conclude()?;
    ending::end(
        py,
        job,
        ending,
        control,
        &exchange.input,
        &exchange.response,
    )
}

/// Serves a request on these descriptors by an application that others have used, and others may; the interpreter is
/// what the job wants. `tell` gets the last word on it, as soon as there is one.
pub fn run_one_of_many(
    py: Python<'_>,
    entered: Duration,
    job: &Job,
    own: Descriptors,
    progress: Reached,
    application: &Bound<'_, PyAny>,
    tell: impl FnOnce(Ending),
) -> PyResult<()> {
    let exchange = Exchange::begin(py, entered, job, own, progress, Some(application))?;
    tell(exchange.conclude()?);
    // The application may keep what it was given for a while: it leads nowhere any more.
    lock(&exchange.input)?.release()?;
    lock(&exchange.response)?.release()?;
    termination::set_open();
    ending::flush(py);
    Ok(())
}

/// Between the last byte and the end of a response that was cut.
const PAUSE_BEFORE_CUT: Duration = Duration::from_millis(50);

/// A request between its descriptors and its outcome.
pub struct Exchange<'a, 'py> {
    pub py: Python<'py>,
    /// When the engine was entered, by [`timing::now`].
    pub entered: Duration,
    pub job: &'a Job,
    /// Where it was imported before the request came.
    pub application: Option<&'a Bound<'py, PyAny>>,
    pub input: Arc<Mutex<Input>>,
    pub response: Arc<Mutex<Response>>,
    /// The first failure of the application that was told.
    pub told: RefCell<Option<Failure>>,
    /// How long the import took, if it was for this request.
    pub imported: Cell<Duration>,
}

impl<'a, 'py> Exchange<'a, 'py> {
    /// On these descriptors.
    fn begin(
        py: Python<'py>,
        entered: Duration,
        job: &'a Job,
        own: Descriptors,
        progress: Reached,
        application: Option<&'a Bound<'py, PyAny>>,
    ) -> PyResult<Self> {
        let input = Arc::new(Mutex::new(Input::new(own.body, job.body)?));
        let method = match variable(job, "REQUEST_METHOD") {
            Some(b"HEAD") => Method::Head,
            _ => Method::Other,
        };
        let response = Response::new(own.response, input.clone(), progress, job.form, method)?;
        Ok(Self {
            py,
            entered,
            job,
            application,
            input,
            response: Arc::new(Mutex::new(response)),
            told: RefCell::default(),
            imported: Cell::default(),
        })
    }

    fn conclude(&self) -> PyResult<Ending> {
        let outcome = self.run()?;
        let body_consumed = lock(&self.input).map_or(0, |input| input.consumed());
        Ok(Ending {
            outcome,
            body_consumed,
            failure: self.told.take(),
        })
    }

    /// Answers it, whatever happens.
    pub fn run(&self) -> PyResult<Outcome> {
        let errors = Bound::new(self.py, Errors::new(self.job.error_log.clone()))?;
        let answered = self.answer(&errors);
        termination::end_if_told(self.py)?;
        let outcome = match answered {
            Ok(()) => Outcome::Complete,
            Err(_) if lock(&self.response)?.reader_is_gone() => Outcome::Complete,
            Err(failure) => self.fail(&failure)?,
        };
        errors.get().flush()?;
        let status = lock(&self.response)
            .ok()
            .and_then(|response| response.server_error());
        if let Some(status) = status {
            // A framework has caught what went wrong, and told it in its own way.
            let failure = Failure::new(Code::ANSWERED_ERROR, status);
            self.note(failure.with_detail(errors.get().last_words()));
        }
        if lock(&self.input).is_ok_and(|input| input.ended_early()) {
            self.tell(&Failure::new(Code::BODY_ENDED_EARLY, ""));
        }
        self.tell_of_imports();
        Ok(outcome)
    }

    fn answer(&self, errors: &Bound<'py, Errors>) -> Result<(), Failure> {
        let importing = timing::now();
        let application = match self.application {
            Some(application) => application.clone(),
            None => match self.job.observed {
                Observed::No => application::load(self.py, self.job)?,
                Observed::Yes => checking::load(self.py, self.job)?,
            },
        };
        if self.application.is_none() {
            self.imported.set(timing::now().saturating_sub(importing));
        }
        self.time_from(importing)
            .map_err(|error| self.failure(&error))?;
        let raised = |error: PyErr| self.failure(&error);
        if self.job.runs == Runs::Once {
            startup::collect_garbage_again(self.py).map_err(raised)?;
        }
        let input = InputStream(self.input.clone());
        let environ = environ::build(self.py, self.job, input, errors).map_err(raised)?;
        let start_response = StartResponse(self.response.clone());
        let body = application
            .call1((environ, start_response))
            .map_err(raised)?;

        let sent = self.send(&body);
        if let Err(error) = close(&body) {
            self.tell(&from_exception(
                self.py,
                &error,
                Code::CLOSE_FAILED,
                Detail::Hidden,
            ));
        }
        sent
    }

    /// Under `--debug` the head will tell how long each part took.
    fn time_from(&self, importing: Duration) -> PyResult<()> {
        if self.job.detail == Detail::Shown {
            let called = timing::now();
            let started = Duration::from_nanos(self.job.started);
            lock(&self.response)?.timing = Some(Timing {
                interpreter: (!started.is_zero()).then(|| self.entered.saturating_sub(started)),
                import: called.saturating_sub(importing),
                called,
            });
        }
        Ok(())
    }

    fn send(&self, body: &Bound<'py, PyAny>) -> Result<(), Failure> {
        let raised = |error: PyErr| self.failure(&error);
        let wrong = |code| Err(Failure::new(code, ""));
        if body.is_instance_of::<PyString>() {
            return wrong(Code::RETURNED_STR);
        }
        if body.is_instance_of::<PyBytes>() {
            return wrong(Code::RETURNED_BYTES);
        }
        let copied = match body.cast_exact::<FileWrapper>() {
            Ok(file) => self.copy(file).map_err(raised)?,
            Err(_) => false,
        };
        if !copied {
            let Ok(blocks) = body.try_iter() else {
                let reason = format!("it returned {}", kind(body));
                return Err(Failure::new(Code::NOT_ITERABLE, reason));
            };
            let is_single = body.len().is_ok_and(|length| length == 1);
            for block in blocks {
                let block = block.map_err(raised)?;
                if is_single && let Ok(bytes) = block.cast::<PyBytes>() {
                    let length = bytes.as_bytes().len() as u64;
                    lock(&self.response).map_err(raised)?.declare_length(length);
                }
                write(self.py, &self.response, &block).map_err(raised)?;
                if lock(&self.response).map_err(raised)?.wants_no_more() {
                    break;
                }
            }
        }
        self.finish()
    }

    /// Lets the kernel copy a file; gives false where Python must read it.
    fn copy(&self, file: &Bound<'py, FileWrapper>) -> PyResult<bool> {
        let mut response = lock(&self.response)?;
        let response = &mut *response;
        if response.is_silent() || !response.can_copy() {
            return Ok(false);
        }
        let Some(extent) = file.get().extent(self.py)? else {
            return Ok(false);
        };
        response.declare_length(extent.length);
        let descriptor = descriptors::borrow(extent.descriptor);
        let (start, mut offset) = (extent.offset, extent.offset);
        let end = extent.offset + extent.length;
        loop {
            let left = end - offset;
            match uninterrupted(self.py, || {
                response.copy_some(&descriptor, &mut offset, left)
            }) {
                Ok(0) => return Ok(true),
                // A signal may have cut it short.
                Ok(_) => self.py.check_signals()?,
                // Not every pair of descriptors can do it (a log opened for append).
                Err(error) if offset == start && is_invalid(self.py, &error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    fn finish(&self) -> Result<(), Failure> {
        let raised = |error: PyErr| self.failure(&error);
        let mut response = lock(&self.response).map_err(raised)?;
        let response = &mut *response;
        match uninterrupted(self.py, || response.finish()).map_err(raised)? {
            // The response is whole: the server got what was promised.
            Err(failure) if failure.code == Code::BODY_TOO_LONG => {
                self.tell(&failure);
                Ok(())
            }
            result => result,
        }
    }

    /// Tells a failure, and answers with an error page if nothing has left.
    fn fail(&self, failure: &Failure) -> PyResult<Outcome> {
        self.tell(failure);
        let page = report::response(failure, &self.asked());
        let mut rest = page.as_slice();
        let mut response = lock(&self.response)?;
        let response = &mut *response;
        if response.has_left() {
            // Apache makes a Content-Length of its own where a body and its end come at once: a cut response
            // would look whole. It has to find nothing to read in between.
            self.py.detach(|| std::thread::sleep(PAUSE_BEFORE_CUT));
        }
        match uninterrupted(self.py, || response.replace(&mut rest)) {
            Err(_) if response.reader_is_gone() => Ok(Outcome::Complete),
            result => result.map(|()| failure.code.entry().outcome),
        }
    }

    fn failure(&self, error: &PyErr) -> Failure {
        let code = match error.is_instance_of::<PySystemExit>(self.py) {
            true => Code::EXITED,
            false => Code::RAISED,
        };
        from_exception(self.py, error, code, self.job.detail)
    }
}

fn close(body: &Bound<'_, PyAny>) -> PyResult<()> {
    termination::set_closing();
    if let Some(close) = body.getattr_opt("close")? {
        close.call0()?;
    }
    Ok(())
}

fn is_invalid(py: Python<'_>, error: &PyErr) -> bool {
    let number = error
        .value(py)
        .getattr("errno")
        .and_then(|number| number.extract::<i32>());
    number.is_ok_and(|number| number == rustix::io::Errno::INVAL.raw_os_error())
}
