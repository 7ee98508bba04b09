"""Failures whose page must show what happened, and nothing else."""


class NoRepr:
    def __repr__(self):
        raise SystemExit("a repr that ends the program")


def compute(value, db_password="hun" + "ter2"):
    markup = "<script>document.title = 'injected'</script>"
    broken = NoRepr()
    settings = {"SECRET_KEY": "hun" + "ter3", "DEBUG": True}
    return value / 0 if markup and broken and settings else None


def raises(environ, start_response):
    print("a line on <stderr>")
    try:
        compute(1)
    except ZeroDivisionError as error:
        raise RuntimeError("could not <b>compute</b>") from error


def recurses(environ, start_response):
    return recurses(environ, start_response)


def answers(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"fine"]
