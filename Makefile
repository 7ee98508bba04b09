# Each target is what a person could type; `make help` lists them.
CARGO ?= cargo
PREFIX ?= /usr/local
PROGRAM = target/release/wsgi-cgi
MDBOOK = target/tools/bin/mdbook
FLASK = examples/flask/.venv/installed

# A request as a web server hands it to a CGI program (RFC 3875).
CGI_REQUEST = GATEWAY_INTERFACE=CGI/1.1 REQUEST_METHOD=GET SCRIPT_NAME= PATH_INFO=/ QUERY_STRING= \
	SERVER_NAME=localhost SERVER_PORT=80 SERVER_PROTOCOL=HTTP/1.1

# What `make fresh` tries.
DEBIAN ?= bookworm trixie
COMMANDS ?= run test

# One after the other, under `make -j` too: the packages come first.
.NOTPARALLEL:
.PHONY: help setup run test fresh book bench fuzz install uninstall build share pages dist wheel deb tarball lint clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile

run: .setup-run build $(FLASK)  ## build, answer a CGI request, then serve Flask: a page in a browser
	@echo; echo "== a CGI request, answered by examples/hello/app.py"
	env $(CGI_REQUEST) $(PROGRAM) examples/hello/app.py
	@echo; echo "== a CGI request, answered by examples/flask/app.py in its virtualenv"
	env $(CGI_REQUEST) $(PROGRAM) examples/flask/app.py
	@echo; echo "== the same over HTTP: wsgi-cgi serve examples/flask/app.py"
	@examples/serve

setup:  ## the Debian packages that the tests need, each with its reason
	@./setup-packages test

# Both halves run, whatever the first one finds.
test: setup  ## every test: units, engine, real frameworks, real web servers, each cold and warm
	@cold=passed warm=passed; set -x; \
	$(CARGO) test --workspace --locked --no-fail-fast || cold=FAILED; \
	WSGI_CGI_TESTS=warm $(CARGO) test --workspace --locked --test integration -- \
		engine:: frameworks:: serve:: servers:: || warm=FAILED; \
	{ set +x; } 2>/dev/null; \
	echo "make test: all tests $$cold; those that also run warm $$warm"; [ $$cold$$warm = passedpassed ]

fresh: .setup-fresh  ## make run and make test on fresh Debian machines (DEBIAN=trixie: only one): up to an hour each
	COMMANDS="$(COMMANDS)" .ci/fresh $(DEBIAN)

book: $(MDBOOK)  ## the documentation as a book, target/book/index.html
	$(MDBOOK) build docs

bench: .setup-bench build  ## cold speed and the careful ending, against wsgiref and a C program
	bench/run

fuzz: .setup-fuzz  ## each parser of what comes from outside, for FUZZ_SECONDS (60)
	fuzz/run

# By sudo there may be no cargo: then what was built before is installed.
install:  ## the one file in $(PREFIX)/bin, man pages and completions in $(PREFIX)/share
	@! command -v $(CARGO) >/dev/null || $(MAKE) --no-print-directory build share
	install -D -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/wsgi-cgi
	cp -R target/share $(DESTDIR)$(PREFIX)/

uninstall:  ## remove what install has put there
	rm -f $(DESTDIR)$(PREFIX)/bin/wsgi-cgi $(DESTDIR)$(PREFIX)/share/man/man1/wsgi-cgi.1.gz
	rm -f $(DESTDIR)$(PREFIX)/share/man/man1/wsgi-cgi-*.1.gz
	rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/wsgi-cgi
	rm -f $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_wsgi-cgi
	rm -f $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/wsgi-cgi.fish

share:  ## man pages and completions, in target/share
	packaging/pages target/share

dist: .setup-dist  ## wheel, .deb and tarball, for glibc 2.28 and newer, in target/dist
	packaging/build wheel deb tarball

wheel: .setup-dist  ## of these only the wheel; pip installs it
	packaging/build $@
deb: .setup-dist  ## only the .deb; dpkg installs it
	packaging/build $@
tarball: .setup-dist  ## only the tarball, with an install script that needs no root
	packaging/build $@

pages:  ## docs/reference.md anew, from the definition of the command line
	packaging/pages target/dist/share
	cp target/dist/pages/reference.md docs/reference.md

build:  ## the release build, target/release/wsgi-cgi
	$(CARGO) build --release --locked

lint:  ## formatting and clippy
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --features pages --locked -- -D warnings

clean:  ## remove what was built
	$(CARGO) clean

# The last file that is made: a virtualenv without its packages is no virtualenv.
$(FLASK): examples/flask/requirements.txt
	python3 -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

# Without its server and its watching: half the crates.
$(MDBOOK):
	$(CARGO) install --quiet mdbook --version 0.5.4 --locked --no-default-features --features search --profile dev \
		--root target/tools

# Debian packages: installed where apt-get may, else named.
.setup-%:
	@./setup-packages $*
