//! A request is run; one that failed is told, answered and kept.

use std::env;
use std::io::{self, Write};

use contract::codes::Code;
use contract::handover::{BodyLength, Observed};
use contract::outcome::Outcome;
use contract::progress::State;
use contract::report::{self, Asked, Failure};

use super::{Caller, Door};
use crate::doors::self_test;
use crate::plan::Warm;
use crate::record::Keeper;
use crate::runner::parent::Ended;
use crate::runner::warm::{self, Answered, Seat, When};
use crate::runner::{Request, cold};

impl Door {
    pub fn serve(&self, request: Request) -> Outcome {
        let body = request.job.body;
        let keeper = match Keeper::of(&self.settings, body) {
            Ok(keeper) => keeper.map(|keeper| keeper.running(&request.job)),
            Err(failure) => return self.end(&failure, body, None),
        };
        let ended = match self.run(request) {
            Ok(ended) => ended,
            Err(error) => {
                let failure = Failure::new(Code::SYSTEM, error.to_string());
                return self.end(&failure, body, keeper);
            }
        };
        if let Some(failure) = &ended.failure {
            self.tell(failure);
            // A person who has ended the run wants no page.
            let is_interrupted =
                self.caller == Caller::Person && matches!(ended.outcome, Outcome::Killed(_));
            if ended.progress < State::Answering && !is_interrupted {
                self.answer(failure);
            }
        }
        // Whoever was told to end did not fail; but Lighttpd says so as soon as it has the last byte.
        let own = ended.failure.as_ref().filter(|_| !ended.was_told_to_end);
        if let (Some(keeper), Some(failure)) = (keeper, ended.told.as_ref().or(own)) {
            keeper.keep(failure, self.variables.as_slice());
        }
        if ended.failure.is_some() {
            cold::drain_after_death(body);
        }
        ended.outcome
    }

    /// By a worker, where warm mode is wanted and can be; else cold, as the first request always is.
    fn run(&self, request: Request) -> io::Result<Ended> {
        // What is observed is the import, which a zygote has behind it.
        if self.settings.warm.wanted == Warm::Wanted && self.observed == Observed::No {
            let here = env::current_dir()?;
            let seat = Seat::of(&request, &here);
            if !self.was_asked {
                match warm::serve(&request, &seat)? {
                    Answered::Served(ended) => return Ok(ended),
                    Answered::Cold(reason) => self.say(&format!("runs cold: {reason}")),
                }
            }
            match warm::start(&request, &seat, When::Afterwards) {
                Ok(text) => self.say(&format!("for the next request: {text}")),
                Err(error) => self.say(&format!("no zygote can be started: {error}")),
            }
        }
        cold::serve(request)
    }

    /// Ends a request for which nothing was started.
    pub fn refuse(&self, failure: &Failure) -> Outcome {
        let body = self.variables.body_length().unwrap_or(BodyLength::Empty);
        let keeper = Keeper::of(&self.settings, body).ok().flatten();
        self.end(failure, body, keeper)
    }

    fn end(&self, failure: &Failure, body: BodyLength, keeper: Option<Keeper>) -> Outcome {
        self.tell(failure);
        // By hand, the lines on stderr are enough.
        if self.caller == Caller::Server {
            self.answer(failure);
            if let Some(keeper) = keeper {
                keeper.keep(failure, self.variables.as_slice());
            }
            cold::drain_after_death(body);
        }
        match failure.code.entry().outcome {
            // A server has its answer; by hand, nothing was run.
            Outcome::Complete if !self.variables.is_cgi() => Outcome::BadUsage,
            outcome => outcome,
        }
    }

    fn answer(&self, failure: &Failure) {
        let page = report::response(failure, &self.asked());
        // A server that has gone away needs no answer.
        let mut out = io::stdout().lock();
        let _ = out.write_all(&page).and_then(|()| out.flush());
    }

    fn tell(&self, failure: &Failure) {
        let log = self.settings.error_log.as_deref();
        let request = self_test::without_token(&self.asked().label());
        report::tell(failure, &request, log);
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            variables: self.variables.as_slice(),
            form: self.form(),
            detail: self.settings.detail,
        }
    }
}
