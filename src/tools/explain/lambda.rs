//! What AWS Lambda says of a function (the runtime interface emulator has the same words).

use super::topic::{Topic, topic};

pub const TOPICS: &[Topic] = &[
    topic(
        "Runtime.ExitError",
        &[
            "runtime.exiterror",
            "runtime exited with error",
            "runtime exited without providing a reason",
        ],
        "the function's process ended",
        "The process ended instead of answering: it crashed, called exit, or was killed for want of memory (`signal: killed`). With wsgi-cgi it means that the module ended the process while it was imported (WC033).",
        "read the lines before it; compare `Max Memory Used` with the function's memory",
    ),
    topic(
        "Task timed out",
        &["task timed out after"],
        "the answer was not ready within the function's time",
        "The platform ended it: a slow import at the first event, a service that cannot be reached (a VPC without a NAT gateway), an endless loop.",
        "raise the function's timeout above 3 seconds, the default; wsgi-cgi ends the request half a second before, with the Python stack in the log (WC054)",
    ),
    topic(
        "Runtime.ImportModuleError",
        &["runtime.importmoduleerror", "unable to import module"],
        "the function's module, or a package, is missing",
        "The package was not put into the zip file or image, or was built for another processor or version of Python.",
        "pip install --target . --platform manylinux2014_x86_64 --only-binary=:all: NAME, for the function's architecture",
    ),
    topic(
        "Runtime.HandlerNotFound",
        &["runtime.handlernotfound"],
        "the module has no application of this name",
        "The handler's setting names another object than the module has (WC013, WC014).",
        "set the handler to module:name, or call the object `application`",
    ),
    topic(
        "Runtime.UserCodeSyntaxError",
        &["runtime.usercodesyntaxerror"],
        "the function's module has a syntax error",
        "A typing error, or syntax that is newer than the function's Python.",
        "compile it with the same version of Python",
    ),
    topic(
        "Runtime.InvalidEntrypoint",
        &[
            "runtime.invalidentrypoint",
            "fork/exec /var/runtime/bootstrap",
        ],
        "the platform cannot start the function's program",
        "The file bootstrap, or the image's entry point, is missing, has no run bit, or is for the other architecture (x86_64, arm64).",
        "chmod 755 bootstrap before it is zipped; build for the function's architecture",
    ),
    topic(
        "Runtime.UnmarshalError",
        &["runtime.unmarshalerror"],
        "the event is no HTTP request",
        "The function was called with a test event of the console, or by another service than API Gateway, a function URL or a load balancer (WC062).",
        "test with the template apigateway-http-api-proxy; `wsgi-cgi lambda --events PATH` posts other events to the application",
    ),
    topic(
        "Runtime.OutOfMemory",
        &["runtime.outofmemory"],
        "the function needs more memory than it has",
        "The process was killed by the kernel at the function's limit.",
        "raise the function's memory, which gives it more processor time as well",
    ),
];
