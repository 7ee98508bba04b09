//! The table of every error that a person can see. No other file words one.

use super::{Code, Entry, Outcome};

const FAILED: &str = "500 Internal Server Error";

/// It changes no answer.
const NONE: &str = "";

macro_rules! codes {
    ($( $name:ident $code:literal $status:expr, $outcome:ident; $sentence:literal; $cause:literal; $remedy:literal )*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Index { $( $name ),* }
        impl Code {
            $( #[doc = $sentence] pub const $name: Code = Code(Index::$name as usize); )*
        }
        pub(super) static ENTRIES: &[Entry] = &[
            $( Entry {
                code: $code,
                sentence: $sentence,
                cause: $cause,
                remedy: $remedy,
                status: $status,
                outcome: Outcome::$outcome,
            } ),*
        ];
    };
}

codes! {
    NO_APPLICATION "WC001" FAILED, BadUsage;
        "no application was named";
        "wsgi-cgi was started without an argument and without a script that it could run. As a web server's CGI program it does not know which application is meant.";
        "name one: wsgi-cgi path/app.py, or wsgi-cgi package.module:name; under a web server, in the script's #! line, in a wrapper script, or by its handler setting"
    BAD_SETTING "WC002" FAILED, BadUsage;
        "a setting cannot be read";
        "An option, a variable WSGI_CGI_… or a line `# wsgi-cgi:` in the script has a name or a value that nobody knows. Nothing is guessed: a setting that cannot be read stops the run.";
        "see wsgi-cgi --help for the options and what they take; the same names stand in the environment as WSGI_CGI_NAME and in the script as `# wsgi-cgi: name=value`"
    STARTED_DIRECTLY "WC003" FAILED, BadUsage;
        "the web server started wsgi-cgi itself as a script, without naming an application";
        "The program lies where the web server runs CGI scripts, and a browser asked for it by its own address. It takes no application from an address: anybody could then run any file.";
        "put the application, a script with #!/usr/bin/env wsgi-cgi, or a wrapper script in its place; as a handler, use Apache's Action or Lighttpd's cgi.assign"
    CLIENTS_ARGUMENT "WC004" FAILED, BadUsage;
        "an argument may be the visitor's";
        "If a query has no `=`, the web server hands its words to the script as arguments (RFC 3875 section 4.4). If a wrapper script passes them on as APP, or in front of it, every visitor could choose the application, the interpreter and options. So nothing runs if APP, or an argument in front of it, could come from the query, even by chance.";
        "in the wrapper script, write all options and APP in front of \"$@\", or leave \"$@\" out: exec wsgi-cgi --python=/srv/venv /srv/app.py \"$@\"; a wrapper script that is the handler of Apache's Action names no APP and passes nothing on: exec wsgi-cgi --python=/srv/venv"

    NO_SUCH_FILE "WC010" FAILED, NotFound;
        "the application was not found";
        "There is no file or folder of this name. Under a web server the working directory is often the script's folder, not the one where you tried it.";
        "check the path; a relative one counts from the folder that the process was started in"
    NOT_READABLE "WC011" FAILED, NotFound;
        "the application cannot be read";
        "Web servers run scripts as a user of their own (www-data, apache, nobody). That user may not read the file, or may not enter one of the folders above it.";
        "give the web server's user the right to read the file (chmod o+r) and to enter each folder above it (chmod o+x)"
    EMPTY_DIRECTORY "WC012" FAILED, NotFound;
        "the directory holds no application";
        "A folder was named, and it holds none of the files in which applications usually are.";
        "name the file; in a directory these are looked for: wsgi.py, app.py, passenger_wsgi.py, and */wsgi.py beside a manage.py"
    NO_CALLABLE "WC013" FAILED, NotFound;
        "no application was found in the module";
        "The module was imported, and it has neither of the usual names nor one single object of a framework that is known.";
        "call it `application` or `app`, or name it behind a colon: app.py:name"
    NOT_CALLABLE "WC014" FAILED, NotFound;
        "what was named is not a WSGI application";
        "The name exists in the module, but what it names cannot be called: a module, a string, or None from a factory that was meant to be called.";
        "an application is a function or object that is called with (environ, start_response)"
    FACTORY_FAILED "WC015" FAILED, ApplicationFailed;
        "the application factory failed";
        "The name is a factory: a function that makes the application. It wants arguments, raised an exception, or returned nothing that can be called.";
        "a factory is called without arguments and must return the application; wrap it in one that needs none"
    NO_MODULE "WC016" FAILED, NotFound;
        "the application's module was not found";
        "Python found no module of this name in the application's folder, in the folders of --path or in the virtualenv.";
        "check the name and the folder; --path DIR adds a folder to look in, --chdir DIR changes into one"
    ASGI "WC017" FAILED, NotFound;
        "this is an ASGI application, and wsgi-cgi runs WSGI";
        "ASGI applications (FastAPI, Starlette, Django's asgi.py) are called in another way than WSGI applications, and need an event loop.";
        "wrap it: from a2wsgi import ASGIMiddleware; application = ASGIMiddleware(app)"
    NO_DIRECTORY "WC018" FAILED, NotFound;
        "the working directory cannot be entered";
        "The folder named by --chdir does not exist, or the web server's user may not enter it.";
        "check the path given by --chdir, and the right to enter it"

    NO_PYTHON "WC020" FAILED, NotFound;
        "no Python interpreter was found";
        "No virtualenv lies beside the application, and there is no python3 on PATH. Lighttpd starts scripts with no PATH at all; then only the usual folders are searched.";
        "install python3, make a virtualenv beside the application (python3 -m venv .venv), or name one by --python PATH"
    PYTHON_TOO_OLD "WC021" FAILED, NotFound;
        "the Python interpreter is too old";
        "The interpreter that was chosen is older than 3.9. Often the system's python3 is meant by the #! line or by an old virtualenv.";
        "use Python 3.9 or newer: make the virtualenv anew with it, or name it by --python PATH"
    PYTHON_DID_NOT_START "WC022" FAILED, NotFound;
        "the Python interpreter did not start";
        "The interpreter ended before the application could run. A virtualenv points to a Python that is gone, its standard library is incomplete, or a limit on memory is too small for it.";
        "run it by hand to see why; a virtualenv whose Python was removed or upgraded is made anew with python3 -m venv --clear"
    PYTHON_UNSUPPORTED "WC023" FAILED, NotFound;
        "this kind of Python interpreter is not supported";
        "It is no CPython, or a build whose inner interface differs: free-threaded, PyPy, or one for another processor.";
        "use an ordinary CPython 3.9 or newer (not a free-threaded build)"

    SYNTAX_ERROR "WC030" FAILED, ApplicationFailed;
        "the application has a syntax error";
        "Python cannot read the file. Where it works in your own shell, the web server uses an older interpreter that does not know this syntax.";
        "mend the line shown; mind that this interpreter may be older than the one that you tested with"
    PACKAGE_MISSING "WC031" FAILED, ApplicationFailed;
        "a package is missing";
        "The application imports a package that this interpreter does not have. Usually it is installed in a virtualenv, or for a user, that the web server does not use.";
        "install it for the interpreter shown, or name the right one by --python PATH"
    IMPORT_FAILED "WC032" FAILED, ApplicationFailed;
        "the application failed while it was imported";
        "The module raised an exception before the application was ready. Under a web server the environment is nearly empty, HOME is missing, and the user is another one.";
        "mend what the traceback shows; compare the environment and the user with those of your own shell"
    EXIT_AT_IMPORT "WC033" FAILED, ApplicationFailed;
        "the application ended the process while it was imported";
        "The module called sys.exit() while it was imported: a command line tool, or a check that gave up.";
        "put what is to run only from the command line under: if __name__ == \"__main__\":"

    RAISED "WC040" FAILED, ApplicationFailed;
        "the application raised an exception";
        "The application raised an exception while it answered, and nothing in it caught that.";
        "mend what the traceback shows"
    NO_START_RESPONSE "WC041" FAILED, ApplicationFailed;
        "the application did not call start_response";
        "The application returned, or gave the first piece of its body, without having said status and headers.";
        "call start_response(\"200 OK\", [(\"Content-Type\", \"text/html; charset=utf-8\")]) before the first piece of the body"
    RETURNED_STR "WC042" FAILED, ApplicationFailed;
        "the application returned a str";
        "A WSGI body is made of bytes. A str would be sent character by character, and nobody knows in which encoding.";
        "return a list of bytes: return [text.encode()]"
    RETURNED_BYTES "WC043" FAILED, ApplicationFailed;
        "the application returned bytes itself";
        "A WSGI body is an iterable of bytes. Iterating over bytes gives numbers.";
        "return a list of bytes: return [data]"
    NOT_ITERABLE "WC044" FAILED, ApplicationFailed;
        "the application returned what is not an iterable of bytes";
        "The application returned None, a number, a response object of another framework, or something else that is no list and no iterator.";
        "return a list of bytes, or yield them; a missing return statement returns None"
    NOT_BYTES "WC045" FAILED, ApplicationFailed;
        "the response's body holds something that is not bytes";
        "One piece of the body is a str, None or a number.";
        "encode text before it is returned or written: text.encode()"
    BAD_STATUS "WC046" FAILED, ApplicationFailed;
        "the status given to start_response is not valid";
        "The status has no three digits, has a control character, or is a number instead of a str.";
        "a status is a str such as \"200 OK\": three digits from 200 to 999, a blank, a reason"
    BAD_HEADER "WC047" FAILED, ApplicationFailed;
        "a header given to start_response is not valid";
        "A header has a value that is no str, a line break, a character beyond latin-1, or a name that only a server may send. A line break would let a visitor write headers of his own.";
        "headers are a list of (name, value) tuples of str, without control characters; hop-by-hop headers belong to the server"
    START_RESPONSE_TWICE "WC048" FAILED, ApplicationFailed;
        "start_response was called twice";
        "Two parts of the application have answered: often a middleware which goes on after it has sent an error.";
        "call it once; a second call must pass exc_info, to replace the head by an error's"
    EXITED "WC049" FAILED, ApplicationFailed;
        "the application called sys.exit()";
        "Something in the request called sys.exit(): leftover code of a script, or a library that gives up in this way.";
        "return from the application instead; the process ends by itself after each request"

    BODY_TOO_SHORT "WC050" FAILED, ApplicationFailed;
        "the body is shorter than its Content-Length";
        "The application promised more bytes than it gave. The response was cut so that the client can see it.";
        "count bytes, not characters, or leave Content-Length out"
    BODY_TOO_LONG "WC051" FAILED, Complete;
        "the body is longer than its Content-Length; the rest was cut";
        "The application promised fewer bytes than it gave. len() of a str counts characters, and some characters are several bytes.";
        "count bytes, not characters, or leave Content-Length out"
    DIED "WC052" FAILED, ApplicationFailed;
        "the application's process ended without an answer";
        "The process ended without Python's knowledge: os._exit(), exec, or a C library that ends the program.";
        "look for os._exit() or a C extension that ends the process"
    CRASHED "WC053" FAILED, ApplicationFailed;
        "a signal ended the application's process";
        "The kernel or another program ended the process: a crash in a C extension, a limit on memory or processor time, or an administrator.";
        "SIGSEGV or SIGABRT: a C extension crashed (the stack is on stderr); SIGKILL: often the memory limit; SIGXCPU: the limit of processor time"
    TIMED_OUT "WC054" "504 Gateway Timeout", TimedOut;
        "the application took longer than --timeout allows";
        "The answer was not ready in time: a slow query, a service that does not answer, a lock, or an endless loop.";
        "the stack on stderr shows where it was; make it faster, or allow more by --timeout SECONDS"
    CLOSE_FAILED "WC055" FAILED, Complete;
        "close() of the response raised an exception, after the response";
        "The response has a close() method, which is called when it was sent. It raised an exception; the visitor had the page by then.";
        "mend what the traceback shows"
    ANSWERED_ERROR "WC056" FAILED, Complete;
        "the application answered with a server error";
        "The application caught an exception itself and made a page of its own with a status from 500 up. Frameworks do that. Only --record tells of it.";
        "the messages kept with the record, and the application's own log, tell why; a framework's debug mode shows it in the page"
    SWALLOWED "WC057" NONE, Complete;
        "a Location with status 200: Apache redirects, and throws this body away";
        "Apache takes any response with a Location for a redirect, whatever status the application gave. Other servers do not.";
        "answer with status 201 or 303, or leave the Location out"
    SLOW_IMPORTS "WC058" NONE, Complete;
        "imports took most of a slow response";
        "Each request of a CGI program imports the application anew. Large packages take seconds, most of all on shared hosts with slow disks. It is told where --debug or --error-log is set.";
        "wsgi-cgi check APP shows the slowest imports; move those that few pages need into the functions that need them; --warm imports once for many requests; let Python keep byte code (a __pycache__ that the web server's user may write)"

    BAD_VARIABLE "WC060" "400 Bad Request", Complete;
        "a variable of the request is malformed";
        "A meta-variable such as CONTENT_LENGTH has a value that RFC 3875 does not allow. Only a broken client or a test by hand does that. By hand, the exit status is 2.";
        "by hand, correct the variable; else the client or the server sent a broken request; nothing was run"
    BODY_ENDED_EARLY "WC061" "400 Bad Request", Complete;
        "the request's body ended before its CONTENT_LENGTH";
        "The connection ended in the middle of an upload, so the application saw fewer bytes than were announced.";
        "the client went away in the middle, or the server's limit or timeout cut the request"
    BAD_EVENT "WC062" "400 Bad Request", BadUsage;
        "the event is no request";
        "What came is no JSON, or JSON that does not describe an HTTP request: a test event of the console, or an event of another service.";
        "compare it with the shapes that docs/lambda.md and docs/event.md describe; the message names the field"
    INEXPRESSIBLE "WC063" "502 Bad Gateway", ApplicationFailed;
        "the response cannot be expressed in the platform's form";
        "The platform takes a response only in its own form, within a limit of size. This response does not fit, or ended before it was whole.";
        "the message names what is in the way; another way of deployment may carry it (a streamed response, an HTTP mode)"
    NOT_TOLD "WC064" NONE, Complete;
        "the classic watchdog cannot tell all of the response";
        "OpenFaaS's classic watchdog takes the body from standard output and the status from the exit status. Headers and most statuses are lost.";
        "use of-watchdog in its HTTP mode, with wsgi-cgi serve, where status and headers matter"

    SYSTEM "WC070" FAILED, ApplicationFailed;
        "the system refused what is needed to run a request";
        "A system call failed that has to work: starting a process, making a pipe, writing a file.";
        "see the system's own message; on shared hosts, limits on processes, memory or open files are the usual cause"
    NOT_WARMED "WC071" NONE, Complete;
        "the application is not kept warm";
        "A process that was imported once can only be forked when it holds nothing that a fork breaks: threads, sockets, open databases. Or the import failed, or a limit on processes was reached.";
        "the message names the reason, and often the line; requests run cold, which is slower and not wrong; open files, sockets and threads in the first request instead of at import"
    LOG_NOT_WRITTEN "WC072" NONE, Complete;
        "the error log cannot be written";
        "The file of --error-log, or its folder, does not exist or belongs to somebody else. What was to be written stands on stderr all the same.";
        "name a file that the web server's user may write, in a folder that exists"
    START_FILE_FAILED "WC073" NONE, Complete;
        "a file that Python reads at its start failed";
        "The module sitecustomize or a line of a .pth file raised an exception. Python itself goes on in this case, and so does wsgi-cgi.";
        "mend or remove the file that the message names; the rest of it was left out"
    NOT_RECORDED "WC074" NONE, Complete;
        "the failing request cannot be recorded";
        "The folder of --record cannot be written, belongs to another user, lets others write in it, or lies where a web server hands out files.";
        "name a folder outside the document root that belongs to the web server's user and to nobody else: install -d -m 700 -o USER DIR"
    NOT_TAKEN "WC075" NONE, Complete;
        "the application's process took no event";
        "It ended, or was killed, since the event before. Another one is started in its place.";
        "look in the lines before for what ended it; the function's memory is the usual reason"
    NOT_TOLD_PLATFORM "WC076" NONE, Complete;
        "the platform could not be told";
        "Lambda's runtime API closed the connection: the platform has ended this environment, or AWS_LAMBDA_RUNTIME_API names something else.";
        "nothing at the end of an environment's life; by hand, check AWS_LAMBDA_RUNTIME_API"
    RUNTIME_API "WC077" NONE, ApplicationFailed;
        "Lambda's runtime API failed";
        "The runtime API could not be reached, closed the connection, or answered with something else than an event. The function ends, and the platform starts another one.";
        "nothing on Lambda, where it passes; by hand or in an emulator, look whether something that speaks the runtime API listens at AWS_LAMBDA_RUNTIME_API"

    CANNOT_LISTEN "WC080" FAILED, BadUsage;
        "the listener cannot accept connections";
        "The address is in use, is not one of this machine, or needs more rights (ports below 1024).";
        "choose another address by --bind HOST:PORT (port 0 takes any free one), or end the program that uses it"
    BAD_RESPONSE "WC081" "502 Bad Gateway", ApplicationFailed;
        "the script's answer is no CGI response";
        "The script wrote text before its headers, wrote no headers, or ended without writing anything.";
        "a script writes `Content-Type: text/html`, an empty line, then the page; run it by hand to see what it writes"
    CANNOT_START "WC082" FAILED, ApplicationFailed;
        "the script cannot be started";
        "The kernel refused to run the file: it may not be run, its first line names a program that is not there, or it was saved with the line ends of Windows.";
        "check its #! line (does that program exist? does the line end with CR LF?), its run bit (chmod +x), and a file system mounted noexec"
    CANNOT_START_NOW "WC083" "503 Service Unavailable", ApplicationFailed;
        "no process can be started at present";
        "The limit on processes, memory or open files is reached for the moment.";
        "allow more processes or memory, or fewer at once by --max-processes"
    TOO_BUSY "WC084" "503 Service Unavailable", ApplicationFailed;
        "too many requests are waiting";
        "As many requests as --max-processes allows are being answered, and as many as --max-queue allows wait.";
        "come again later; more of them run at once with --max-processes, more of them wait with --max-queue"

    NO_TOKEN "WC090" FAILED, NotFound;
        "the self-test cannot be opened: there is no token file";
        "`check --through` opens the self-test by a file beside the application's. The web server's process believes it only if it belongs to the owner of the application's file or to root.";
        "run check --through on the host itself, as the owner of the application's file or as root; the token file lies beside it, for as long as the check runs"
    NOT_ANSWERED "WC091" FAILED, NotFound;
        "the self-test was not answered";
        "The address leads to something else than this application on this host, or the web server does not get as far as running it.";
        "make the address lead to the application first: wsgi-cgi config SERVER APP writes the configuration, and the web server's error log tells why a script is not run"
    CANNOT_CONFIGURE "WC095" FAILED, BadUsage;
        "the configuration cannot be written";
        "A name or a path cannot stand in this server's configuration, a file is in the way, or an option has no meaning for this server.";
        "the message names what is in the way: choose another name, place or server; wsgi-cgi config alone lists the servers"
}
