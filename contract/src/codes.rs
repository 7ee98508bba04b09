//! Every error that a person can see: its code, its sentence and its remedy. No other file words one.

use crate::outcome::Outcome;

/// An error's kind. The specifics (which file, which name) travel in a [`crate::report::Failure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code(usize);

/// What is told about a code.
#[derive(Debug)]
pub struct Entry {
    /// Stable, for searching: `WC010`.
    pub code: &'static str,
    /// One sentence, lower case, without full stop.
    pub sentence: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
    /// The HTTP status of the answer.
    pub status: &'static str,
    /// How the request ended.
    pub outcome: Outcome,
}

impl Code {
    /// The table's row for this code.
    pub fn entry(self) -> &'static Entry {
        // A `Code` is only made by the macro below, next to its row.
        &ENTRIES[self.0]
    }

    /// All of them, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..ENTRIES.len()).map(Self)
    }
}

const FAILED: &str = "500 Internal Server Error";

macro_rules! codes {
    ($( $name:ident $code:literal $status:expr, $outcome:ident; $sentence:literal; $remedy:literal )*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Index { $( $name ),* }
        impl Code {
            $( #[doc = $sentence] pub const $name: Code = Code(Index::$name as usize); )*
        }
        static ENTRIES: &[Entry] = &[
            $( Entry { code: $code, sentence: $sentence, remedy: $remedy, status: $status, outcome: Outcome::$outcome } ),*
        ];
    };
}

codes! {
    NO_APPLICATION "WC001" FAILED, BadUsage;
        "no application was named";
        "name one: wsgi-cgi path/app.py, or wsgi-cgi package.module:name; under a web server, in the script's #! line, in a wrapper script, or by its handler setting"
    BAD_SETTING "WC002" FAILED, BadUsage;
        "a setting cannot be read";
        "see wsgi-cgi --help for the options and what they take; the same names stand in the environment as WSGI_CGI_NAME and in the script as `# wsgi-cgi: name=value`"
    STARTED_DIRECTLY "WC003" FAILED, BadUsage;
        "the web server started wsgi-cgi itself as a script, without naming an application";
        "put the application, a script with #!/usr/bin/env wsgi-cgi, or a wrapper script in its place; as a handler, use Apache's Action or Lighttpd's cgi.assign"

    NO_SUCH_FILE "WC010" FAILED, NotFound;
        "the application was not found";
        "check the path; a relative one counts from the folder that the process was started in"
    NOT_READABLE "WC011" FAILED, NotFound;
        "the application cannot be read";
        "give the web server's user the right to read the file (chmod o+r) and to enter each folder above it (chmod o+x)"
    EMPTY_DIRECTORY "WC012" FAILED, NotFound;
        "the directory holds no application";
        "name the file; in a directory these are looked for: wsgi.py, app.py, passenger_wsgi.py, and */wsgi.py beside a manage.py"
    NO_CALLABLE "WC013" FAILED, NotFound;
        "no application was found in the module";
        "call it `application` or `app`, or name it behind a colon: app.py:name"
    NOT_CALLABLE "WC014" FAILED, NotFound;
        "what was named is not a WSGI application";
        "an application is a function or object that is called with (environ, start_response)"
    FACTORY_FAILED "WC015" FAILED, ApplicationFailed;
        "the application factory failed";
        "a factory is called without arguments and must return the application; wrap it in one that needs none"
    NO_MODULE "WC016" FAILED, NotFound;
        "the application's module was not found";
        "check the name and the folder; --path DIR adds a folder to look in, --chdir DIR changes into one"
    ASGI "WC017" FAILED, NotFound;
        "this is an ASGI application, and wsgi-cgi runs WSGI";
        "wrap it: from a2wsgi import ASGIMiddleware; application = ASGIMiddleware(app)"
    NO_DIRECTORY "WC018" FAILED, NotFound;
        "the working directory cannot be entered";
        "check the path given by --chdir, and the right to enter it"

    NO_PYTHON "WC020" FAILED, NotFound;
        "no Python interpreter was found";
        "install python3, make a virtualenv beside the application (python3 -m venv .venv), or name one by --python PATH"
    PYTHON_TOO_OLD "WC021" FAILED, NotFound;
        "the Python interpreter is too old";
        "use Python 3.9 or newer: make the virtualenv anew with it, or name it by --python PATH"
    PYTHON_DID_NOT_START "WC022" FAILED, NotFound;
        "the Python interpreter did not start";
        "run it by hand to see why; a virtualenv whose Python was removed or upgraded is made anew with python3 -m venv --clear"
    PYTHON_UNSUPPORTED "WC023" FAILED, NotFound;
        "this kind of Python interpreter is not supported";
        "use an ordinary CPython 3.9 or newer (not a free-threaded build)"

    SYNTAX_ERROR "WC030" FAILED, ApplicationFailed;
        "the application has a syntax error";
        "mend the line shown; mind that this interpreter may be older than the one that you tested with"
    PACKAGE_MISSING "WC031" FAILED, ApplicationFailed;
        "a package is missing";
        "install it for the interpreter shown, or name the right one by --python PATH"
    IMPORT_FAILED "WC032" FAILED, ApplicationFailed;
        "the application failed while it was imported";
        "mend what the traceback shows; compare the environment and the user with those of your own shell"
    EXIT_AT_IMPORT "WC033" FAILED, ApplicationFailed;
        "the application ended the process while it was imported";
        "put what is to run only from the command line under: if __name__ == \"__main__\":"

    RAISED "WC040" FAILED, ApplicationFailed;
        "the application raised an exception";
        "mend what the traceback shows"
    NO_START_RESPONSE "WC041" FAILED, ApplicationFailed;
        "the application did not call start_response";
        "call start_response(\"200 OK\", [(\"Content-Type\", \"text/html; charset=utf-8\")]) before the first piece of the body"
    RETURNED_STR "WC042" FAILED, ApplicationFailed;
        "the application returned a str";
        "return a list of bytes: return [text.encode()]"
    RETURNED_BYTES "WC043" FAILED, ApplicationFailed;
        "the application returned bytes itself";
        "return a list of bytes: return [data]"
    NOT_ITERABLE "WC044" FAILED, ApplicationFailed;
        "the application returned what is not an iterable of bytes";
        "return a list of bytes, or yield them; a missing return statement returns None"
    NOT_BYTES "WC045" FAILED, ApplicationFailed;
        "the response's body holds something that is not bytes";
        "encode text before it is returned or written: text.encode()"
    BAD_STATUS "WC046" FAILED, ApplicationFailed;
        "the status given to start_response is not valid";
        "a status is a str such as \"200 OK\": three digits from 200 to 999, a blank, a reason"
    BAD_HEADER "WC047" FAILED, ApplicationFailed;
        "a header given to start_response is not valid";
        "headers are a list of (name, value) tuples of str, without control characters; hop-by-hop headers belong to the server"
    START_RESPONSE_TWICE "WC048" FAILED, ApplicationFailed;
        "start_response was called twice";
        "call it once; a second call must pass exc_info, to replace the head by an error's"
    EXITED "WC049" FAILED, ApplicationFailed;
        "the application called sys.exit()";
        "return from the application instead; the process ends by itself after each request"
    BODY_TOO_SHORT "WC050" FAILED, ApplicationFailed;
        "the body is shorter than its Content-Length";
        "count bytes, not characters, or leave Content-Length out"
    BODY_TOO_LONG "WC051" FAILED, Complete;
        "the body is longer than its Content-Length; the rest was cut";
        "count bytes, not characters, or leave Content-Length out"
    DIED "WC052" FAILED, ApplicationFailed;
        "the application's process ended without an answer";
        "look for os._exit() or a C extension that ends the process"
    CRASHED "WC053" FAILED, ApplicationFailed;
        "a signal ended the application's process";
        "SIGSEGV or SIGABRT: a C extension crashed (the stack is on stderr); SIGKILL: often the memory limit; SIGXCPU: the limit of processor time"
    TIMED_OUT "WC054" "504 Gateway Timeout", TimedOut;
        "the application took longer than --timeout allows";
        "the stack on stderr shows where it was; make it faster, or allow more by --timeout SECONDS"
    CLOSE_FAILED "WC055" FAILED, Complete;
        "close() of the response raised an exception, after the response";
        "mend what the traceback shows"

    BAD_CONTENT_LENGTH "WC060" "400 Bad Request", Complete;
        "CONTENT_LENGTH is not a number";
        "the client or the server sent a broken request; nothing was run"
    BODY_ENDED_EARLY "WC061" "400 Bad Request", Complete;
        "the request's body ended before its CONTENT_LENGTH";
        "the client went away in the middle, or the server's limit or timeout cut the request"
    BAD_EVENT "WC062" "400 Bad Request", BadUsage;
        "the event is no request";
        "compare it with the shapes that docs/lambda.md and docs/event.md describe; the message names the field"
    INEXPRESSIBLE "WC063" "502 Bad Gateway", ApplicationFailed;
        "the response cannot be expressed in the platform's form";
        "the message names what is in the way; another way of deployment may carry it (a streamed response, an HTTP mode)"
    SYSTEM "WC070" FAILED, ApplicationFailed;
        "the system refused what is needed to run a request";
        "see the system's own message; on shared hosts, limits on processes, memory or open files are the usual cause"

    CANNOT_LISTEN "WC080" FAILED, BadUsage;
        "the listener cannot accept connections";
        "choose another address by --bind HOST:PORT (port 0 takes any free one), or end the program that uses it"
    BAD_RESPONSE "WC081" "502 Bad Gateway", ApplicationFailed;
        "the script's answer is no CGI response";
        "a script writes `Content-Type: text/html`, an empty line, then the page; run it by hand to see what it writes"
    CANNOT_START "WC082" FAILED, ApplicationFailed;
        "the script cannot be started";
        "check its #! line (does that program exist? does the line end with CR LF?), its run bit (chmod +x), and a file system mounted noexec"
    CANNOT_START_NOW "WC083" "503 Service Unavailable", ApplicationFailed;
        "no process can be started at present";
        "allow more processes or memory, or fewer at once by --max-processes"
    TOO_BUSY "WC084" "503 Service Unavailable", ApplicationFailed;
        "too many requests are waiting";
        "come again later; more of them run at once with --max-processes, more of them wait with --max-queue"

    NO_TOKEN "WC090" FAILED, NotFound;
        "the self-test cannot be opened: there is no token file";
        "run check --through on the host itself, as the owner of the application's file or as root; the token file lies beside it, for as long as the check runs"
    NOT_ANSWERED "WC091" FAILED, NotFound;
        "the self-test was not answered";
        "make the address lead to the application first: wsgi-cgi config SERVER APP writes the configuration, and the web server's error log tells why a script is not run"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_sentences_are_sentences() {
        let entries: Vec<_> = Code::all().map(Code::entry).collect();
        assert!(entries.is_sorted_by(|a, b| a.code < b.code));
        for entry in entries {
            assert!(
                !entry.sentence.ends_with('.') && !entry.remedy.ends_with('.'),
                "{}",
                entry.code
            );
        }
    }
}
