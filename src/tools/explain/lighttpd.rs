//! What Lighttpd writes about CGI scripts (src/mod_cgi.c, src/http-header-glue.c, src/h1.c).

use super::topic::{Topic, topic};

pub const TOPICS: &[Topic] = &[
    topic(
        "response headers too large",
        &["response headers too large for"],
        "the script's headers are longer than Lighttpd takes",
        "Lighttpd reads at most 64 KiB of headers, and answers 502 for more. Often a session that is kept in a cookie has grown, or a header is added in a loop.",
        "keep sessions on the server and only a key in the cookie",
    ),
    topic(
        "CGI pid died with signal",
        &["cgi pid * died with signal"],
        "a signal ended the script",
        "9 is the kernel for want of memory, or an administrator; 11 and 6 are crashes in a C extension; 24 is a limit on processor time. Without a byte of response the visitor sees 500.",
        "wsgi-cgi answers for an application that dies, and logs WC053 with the signal's name",
    ),
    topic(
        "timeout on CGI",
        &[
            "read timeout on cgi",
            "write timeout on cgi",
            "timeout on cgi:",
        ],
        "the script was silent for longer than cgi.limits allows",
        "The read-timeout or write-timeout of cgi.limits ran out. The visitor sees 504, or a response that was cut.",
        "set --timeout of wsgi-cgi below it, so that the Python stack is shown in the log; then make that place faster, or raise the limit",
    ),
    topic(
        "failed to send post data to cgi",
        &["failed to send post data to cgi"],
        "the script closed its input before it had the whole body",
        "It ended, or answered without reading. For Lighttpd it is a note, no failure.",
        "nothing, if the response arrived; else look for the script's own failure",
    ),
    topic(
        "stat for cgi-handler",
        &["stat for cgi-handler"],
        "the program that cgi.assign names is not there",
        "cgi.assign maps a file ending to an interpreter by its full path. That path does not exist on this machine.",
        "correct the path: `cgi.assign = ( \".cgi\" => \"\" )` runs scripts by their own #! line",
    ),
    topic(
        "cgi.execute-x-only",
        &["cgi.execute-x-only", "execute-x-only"],
        "a script without run bit is not run",
        "With cgi.execute-x-only, Lighttpd treats a file without run bit as any other file: it denies it (403), or sends its text to the visitor.",
        "chmod 755 the script; put .cgi and .py into static-file.exclude-extensions, so that no source is ever sent",
    ),
    topic(
        "request-size too long",
        &["request-size too long"],
        "an upload is larger than server.max-request-size",
        "Lighttpd answers 413 before the script is started. The setting counts in KiB.",
        "raise server.max-request-size",
    ),
    topic(
        "unexpected end-of-file (perhaps the cgi process died)",
        &["perhaps the cgi process died", "cgi died, pid"],
        "the script ended before its response was whole",
        "It crashed, was killed, or its interpreter was not found. The reason stands in server.breakagelog, if that is set: without it Lighttpd as a daemon throws away what scripts write to stderr.",
        "set server.breakagelog in lighttpd.conf, or --error-log FILE of wsgi-cgi",
    ),
    topic(
        "cgi fork failed",
        &["fork failed: resource", "fork/spawn"],
        "Lighttpd could not start the script",
        "There is a limit on processes or memory, or the file of cgi.assign cannot be run. The words behind it say which.",
        "give those words to wsgi-cgi explain",
    ),
];
