"""What `wsgi-cgi check` sees of an application: what it prints while it is imported, and which rules it breaks."""

import posix
import sys

# So much of it is told: a program may print for ever.
MOST = 100

printed = []
streams = {}


class Heard:
    """A stream that remembers who wrote to it."""

    def __init__(self, name, stream):
        self._name = name
        self._stream = stream

    def write(self, text):
        if streams and text.strip() and len(printed) < MOST:
            printed.append({"stream": self._name, "place": place(), "text": text.strip()[:200]})
        return self._stream.write(text)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def __getattr__(self, name):
        return getattr(self._stream, name)


def mark(text):
    """One write, behind a sign that no text begins with."""
    posix.write(2, b"\n\x1ewsgi-cgi check " + text.encode() + b"\n")


def begin():
    for name in ("stdout", "stderr"):
        streams[name] = getattr(sys, name)
        setattr(sys, name, Heard(name, streams[name]))
    mark("begin")


def wrap(application, seconds, objections, children):
    """The application inside the validator of Python's own library; what is found goes to stderr."""
    for name, stream in streams.items():
        # The application may have put its own there.
        if isinstance(getattr(sys, name), Heard):
            setattr(sys, name, stream)
    streams.clear()
    mark("end")
    import json
    from wsgiref import validate

    rules = []

    def note(error):
        frames = []
        step = error.__traceback__
        while step is not None:
            frames.append(step)
            step = step.tb_next
        # An assertion of the application's own is its affair.
        if frames[-1].tb_frame.f_globals is not vars(validate):
            return
        ours = {"check_environ", "check_input", "check_errors"}
        if any(frame.tb_frame.f_code.co_name in ours for frame in frames):
            kind = "environ"
        elif any(isinstance(frame.tb_frame.f_locals.get("self"), validate.InputWrapper) for frame in frames):
            kind = "input"
        else:
            kind = "rule"
        text = str(error)
        if not text:
            import linecache

            caller = frames[-2] if len(frames) > 1 else frames[-1]
            text = linecache.getline(validate.__file__, caller.tb_lineno).strip()
        rules.append({"kind": kind, "rule": text})

    def tell():
        report = {
            "seconds": seconds,
            "objections": objections,
            "children": children,
            "printed": printed,
            "rules": rules,
        }
        mark(json.dumps(report))

    class Blocks:
        def __init__(self, blocks):
            self._blocks = blocks

        def __iter__(self):
            return self

        def __next__(self):
            try:
                return next(self._blocks)
            except AssertionError as error:
                note(error)
                raise

        def close(self):
            try:
                self._blocks.close()
            except AssertionError as error:
                note(error)
                raise
            finally:
                tell()

    validated = validate.validator(application)

    def checked(environ, start_response):
        try:
            return Blocks(validated(environ, start_response))
        except BaseException as error:
            if isinstance(error, AssertionError):
                note(error)
            tell()
            raise

    return checked
