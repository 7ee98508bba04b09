# Each target is what a person could type; `make help` lists them.
CARGO ?= cargo
PREFIX ?= /usr/local
PROGRAM = target/release/wsgi-cgi
MDBOOK = target/tools/bin/mdbook

# A request as a web server hands it to a CGI program (RFC 3875).
CGI_REQUEST = GATEWAY_INTERFACE=CGI/1.1 REQUEST_METHOD=GET SCRIPT_NAME= PATH_INFO=/ QUERY_STRING= \
	SERVER_NAME=localhost SERVER_PORT=80 SERVER_PROTOCOL=HTTP/1.1

# What `make run` needs, and what the tests and the benchmark need besides.
RUN_PACKAGES = gcc python3 python3-venv
TEST_PACKAGES = $(RUN_PACKAGES) apache2 lighttpd nginx fcgiwrap libpython3-dev util-linux chromium chromium-driver curl \
	systemd socat openssl caddy xinetd iproute2 sudo apache2-suexec-custom $(PACKAGING_PACKAGES)
# What packages are made and checked with.
PACKAGING_PACKAGES = gcc python3-venv git lintian man-db zsh fish shellcheck
BENCH_PACKAGES = $(TEST_PACKAGES) wrk procps

.PHONY: help run test book bench fuzz install uninstall build share pages dist wheel deb tarball lint clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile

run: .setup-run build examples/flask/.venv  ## build, answer a CGI request, then serve Flask: a page in a browser
	@echo; echo "== a CGI request, answered by examples/hello/app.py"
	env $(CGI_REQUEST) $(PROGRAM) examples/hello/app.py
	@echo; echo "== a CGI request, answered by examples/flask/app.py in its virtualenv"
	env $(CGI_REQUEST) $(PROGRAM) examples/flask/app.py
	@echo; echo "== the same over HTTP: wsgi-cgi serve examples/flask/app.py"
	@examples/serve

test: .setup-test  ## every test: units, engine, real frameworks, real web servers, each cold and warm
	$(CARGO) test --workspace --locked
	WSGI_CGI_TESTS=warm $(CARGO) test --workspace --locked --test integration -- engine:: frameworks:: serve:: servers::

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

dist: .setup-packaging  ## wheel, .deb and tarball, for glibc 2.28 and newer, in target/dist
	packaging/build wheel deb tarball

wheel: .setup-packaging  ## of these only the wheel; pip installs it
	packaging/build $@
deb: .setup-packaging  ## only the .deb; dpkg installs it
	packaging/build $@
tarball: .setup-packaging  ## only the tarball, with an install script that needs no root
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

examples/flask/.venv: examples/flask/requirements.txt
	python3 -m venv $@
	$@/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

# Without its server and its watching: half the crates.
$(MDBOOK):
	$(CARGO) install --quiet mdbook --version 0.5.4 --locked --no-default-features --features search --profile dev \
		--root target/tools

# System packages: installed where apt-get may, else named.
.PHONY: .setup-run .setup-test .setup-bench .setup-fuzz .setup-packaging
.setup-run:
	@./setup-packages $(RUN_PACKAGES)
.setup-test:
	@./setup-packages $(TEST_PACKAGES)
.setup-fuzz:
	@./setup-packages gcc g++
.setup-packaging:
	@./setup-packages $(PACKAGING_PACKAGES)
.setup-bench:
	@./setup-packages $(BENCH_PACKAGES)
