# forkftp: build, try, test, measure, install. `make help` lists the targets.

PREFIX  ?= /usr/local
DESTDIR ?=
CARGO   ?= cargo

GENERATED := target/generated
# The server forks for every client, and a statically linked program forks cheaper: fewer mappings to copy, and no symbol to
# look up again in each child. Where the C library has no static form it is linked as usual.
STATIC := $(shell printf 'int main(void){return 0;}' | cc -static -x c -o /dev/null - 2>/dev/null && echo -C target-feature=+crt-static)

.PHONY: help build run-server test test-systemd lint bench man install uninstall clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

build: ## the two programs, optimised, in target/release
	$(CARGO) build --release --locked --bin forkftp
	$(CARGO) rustc --release --locked --bin forkftpd -- $(STATIC)

run-server: build ## set up ./run and serve it until Ctrl-C: drive on 127.0.0.1:8888, FTP on 2121, HTTP on 8080 (PORT=N FTP_PORT=N HTTP_PORT=N for others)
	@exec scripts/run-server target/release $(or $(PORT),8888) $(or $(FTP_PORT),2121) $(or $(HTTP_PORT),8080)

test: lint build ## everything: lints, unit tests, the suite, the end-to-end scripts
	$(CARGO) test --locked
	scripts/test-unprivileged
	tests/e2e/run

# Not among the others: it wants root, and a Debian that it downloads.
test-systemd: build ## the service in a throw-away Debian that a real systemd boots (as root, at most five minutes)
	FORKFTP_BIN_DIR=$(CURDIR)/target/release scripts/test-systemd

lint: ## formatting, clippy, and the rules of the tree that no compiler knows
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	scripts/check-tree
	shellcheck scripts/check-tree scripts/run-server scripts/test-unprivileged scripts/test-systemd .ci/run tests/e2e/run tests/e2e/*.sh tests/systemd/run tests/systemd/*.sh tests/bench/peers/*.sh

bench: build ## figures against bare loops and other FTP servers, as ratios (ARGS=... to choose)
	install -D target/release/forkftpd target/bench/forkftpd
	FORKFTP_BENCH_SERVER=$(CURDIR)/target/bench/forkftpd $(CARGO) bench --locked --bench bench -- $(ARGS)
	@$(MAKE) --no-print-directory build

man: build ## man pages and shell completions, in target/generated
	target/release/forkftp generate $(GENERATED)

# Builds nothing: whoever installs is often root, who has no cargo.
install: ## what `make man` built, into DESTDIR and PREFIX
	@test -x target/release/forkftpd && test -d $(GENERATED)/man || { echo "make man first: it builds what is installed" >&2; exit 1; }
	install -D -t $(DESTDIR)$(PREFIX)/bin target/release/forkftp
	install -D -t $(DESTDIR)$(PREFIX)/sbin target/release/forkftpd
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 $(GENERATED)/man/*.1
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man8 $(GENERATED)/man/*.8
	for name in forkftp forkftpd; do \
	  install -D -m 644 $(GENERATED)/completions/$$name.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$name; \
	  install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(GENERATED)/completions/_$$name; \
	  install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d $(GENERATED)/completions/$$name.fish; \
	done

uninstall: ## what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/forkftp $(DESTDIR)$(PREFIX)/sbin/forkftpd
	rm -f $(DESTDIR)$(PREFIX)/share/man/man1/forkftp*.1 $(DESTDIR)$(PREFIX)/share/man/man8/forkftpd*.8
	for name in forkftp forkftpd; do \
	  rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$name \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_$$name \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/$$name.fish; \
	done

clean: ## what was built; ./run, with the files of the trial, stays
	$(CARGO) clean
