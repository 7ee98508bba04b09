//! What nginx and fcgiwrap write when CGI scripts run behind them (ngx_http_fastcgi_module, fcgiwrap.c).

use super::topic::{Topic, topic};

pub const TOPICS: &[Topic] = &[
    topic(
        "upstream prematurely closed FastCGI stdout",
        &[
            "upstream prematurely closed fastcgi stdout",
            "upstream prematurely closed fastcgi request",
        ],
        "what the script behind fcgiwrap wrote ended before its headers were whole",
        "It wrote a page without headers, or ended in the middle of them; or it left a body unread that is larger than a pipe holds, and fcgiwrap gave up. The visitor sees 502. A script that writes nothing at all gets fcgiwrap's own 502, without this line. The script's words for the log stand in fcgiwrap's journal, or here as `FastCGI sent in stderr`.",
        "read those words and give them to wsgi-cgi explain; wsgi-cgi reads what an application leaves of the body",
    ),
    topic(
        "Cannot get script name",
        &["cannot get script name, are document_root and script_name"],
        "fcgiwrap does not know which script to run",
        "It makes the path of SCRIPT_FILENAME, or of DOCUMENT_ROOT and SCRIPT_NAME. One is not set, the file does not exist, or it has no run bit. The visitor sees 403.",
        "set `fastcgi_param SCRIPT_FILENAME /path/app.cgi;` and chmod 755 the script; wsgi-cgi config nginx writes it all",
    ),
    topic(
        "The given script is not allowed to execute",
        &["the given script is not allowed to execute"],
        "fcgiwrap may run other scripts only",
        "It was started with -p, which lists the scripts that it may run.",
        "add the script's path to fcgiwrap's -p",
    ),
    topic(
        "Cannot chdir to script directory",
        &[
            "cannot chdir to script directory",
            "cannot chdir to fcgi_chdir directory",
        ],
        "fcgiwrap may not enter the script's folder",
        "The folder is closed to the user that fcgiwrap runs as. The visitor sees 403.",
        "chmod o+x each folder of the path, or run fcgiwrap as the owner",
    ),
    topic(
        "Cannot execute script",
        &["cannot execute script ("],
        "the kernel did not run the script for fcgiwrap",
        "Its #! line is missing, names a program that is not there, or ends with CR LF; or the file system is mounted noexec. The visitor sees 502.",
        "wsgi-cgi check SCRIPT finds which; `head -1 SCRIPT | od -c` shows the line's end",
    ),
    topic(
        "upstream sent too big header",
        &["upstream sent too big header"],
        "the response's headers do not fit into nginx's buffer",
        "nginx reads headers into one buffer of 4 or 8 KiB, and answers 502 for more. Large cookies are the usual reason.",
        "raise `fastcgi_buffer_size` (or `proxy_buffer_size`) to 32k, or make the cookies smaller",
    ),
    topic(
        "upstream sent invalid header",
        &["upstream sent invalid header"],
        "the script wrote something before its headers",
        "A line without a colon came where headers belong: a print() for debugging, a warning, a traceback.",
        "write debugging output to stderr; under wsgi-cgi print() cannot get into the response",
    ),
    topic(
        "client intended to send too large body",
        &["client intended to send too large body"],
        "an upload is larger than client_max_body_size",
        "nginx answers 413 before anything is started. The default is 1 MB.",
        "set `client_max_body_size 20m;` in the server or location block",
    ),
    topic(
        "upstream timed out",
        &["upstream timed out"],
        "the script was silent for longer than nginx waits",
        "fastcgi_read_timeout (or proxy_read_timeout), 60 seconds by default, ran out. The visitor sees 504. fcgiwrap waits for ever if a script neither reads a large body nor ends.",
        "set --timeout of wsgi-cgi below it, so that the Python stack is shown in the log; or raise fastcgi_read_timeout",
    ),
    topic(
        "connect() to unix: failed",
        &["connect() to unix:*failed", "connect() failed (111"],
        "nginx cannot reach the program behind it",
        "Its socket is missing (2: it is not running), closed to nginx's user (13), or nobody listens (111). The visitor sees 502.",
        "start fcgiwrap (systemctl start fcgiwrap.socket) or wsgi-cgi serve; give the socket to nginx's group",
    ),
    topic(
        "Resource temporarily unavailable while connecting to upstream",
        &["resource temporarily unavailable) while connecting to upstream"],
        "all of fcgiwrap's processes are busy",
        "Each process of fcgiwrap runs one script at a time, and Debian starts a single one. Further requests wait in the socket's queue, until that is full.",
        "start more of them (fcgiwrap -c 8), or use wsgi-cgi serve --warm behind proxy_pass",
    ),
    topic(
        "FastCGI sent in stderr",
        &["fastcgi sent in stderr"],
        "a line that the script, or fcgiwrap, wrote to its standard error",
        "nginx copies it into its own log. It is no fault by itself: the text in quotes tells what happened.",
        "give the text in quotes to wsgi-cgi explain",
    ),
];
