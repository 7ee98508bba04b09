//! What the platform is told of a failure, in its own words.

use contract::codes::Code;
use contract::report::Failure;
use serde_json::{Value, json};

/// What the platform is told of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// `Runtime.UnmarshalError`.
    pub kind: String,
    /// In one line.
    pub message: String,
    /// A traceback's lines.
    pub trace: Vec<String>,
}

/// As Lambda's own runtimes call an event that cannot be read.
pub const BAD_EVENT: &str = "Runtime.UnmarshalError";

impl Report {
    /// An event that is no request.
    pub fn of_event(wrong: String) -> Self {
        Self {
            kind: BAD_EVENT.into(),
            message: Failure::new(Code::BAD_EVENT, wrong).to_string(),
            trace: Vec::new(),
        }
    }

    /// A failure in the platform's words. Its names for what goes wrong at the start are those of its own Python.
    pub fn of_failure(failure: &Failure) -> Self {
        let kind = match failure.code {
            Code::PACKAGE_MISSING | Code::NO_MODULE => "Runtime.ImportModuleError".to_owned(),
            Code::SYNTAX_ERROR => "Runtime.UserCodeSyntaxError".to_owned(),
            Code::EXIT_AT_IMPORT => "Runtime.ExitError".to_owned(),
            Code::NO_CALLABLE | Code::NOT_CALLABLE => "Runtime.HandlerNotFound".to_owned(),
            Code::IMPORT_FAILED => match failure.reason.split_once(':') {
                Some((name, _)) => name.to_owned(),
                None => failure.reason.clone(),
            },
            code => format!("Runtime.{}", code.entry().code),
        };
        Self {
            kind,
            message: failure.to_string(),
            trace: failure.detail.lines().map(str::to_owned).collect(),
        }
    }

    /// The body of an error.
    pub fn json(&self) -> Value {
        json!({
            "errorMessage": self.message,
            "errorType": self.kind,
            "stackTrace": self.trace,
        })
    }
}
