# forkftp: build, try, test, measure, install. `make help` lists the targets.

PREFIX  ?= /usr/local
DESTDIR ?=
SYSCONFDIR ?= /etc
ZSHDIR  ?= $(PREFIX)/share/zsh/site-functions
# What is installed; another folder is for trying an installation without an optimised build.
PROGRAMS ?= target/release
CARGO   ?= cargo

GENERATED := target/generated
# The server forks for every client, and a statically linked program forks cheaper: fewer mappings to copy, and no symbol to
# look up again in each child. Where the C library has no static form it is linked as usual.
STATIC := $(shell printf 'int main(void){return 0;}' | cc -static -x c -o /dev/null - 2>/dev/null && echo -C target-feature=+crt-static)
# And it is meant to stay below a size (make check-size). Addresses to be relocated take a bit each instead of 24 bytes; nothing is kept for
# unwinding; functions that became the same code are there once; and what other crates are linked with is inlined less eagerly than what
# each of them was compiled from, which has been done by then. What the linker or the C library's own start code does not know is left away:
# that is tried, when something is built.
PACKED = -Wl,-z,pack-relative-relocs -Wl,--no-eh-frame-hdr -Wl,-T,$(CURDIR)/scripts/small.ld
FOLDED = -Wl,--icf=all
LINKED = $(addprefix -C link-arg=,$(1))
TRIED  = $(shell try=$$(mktemp -d) && printf 'fn main() { println!("{:?}", std::env::args()); }' | \
  rustc -O --crate-name try $(STATIC) $(LINKED) -o $$try/try - 2>/dev/null && $$try/try >/dev/null && echo $(LINKED); rm -rf $$try)
SMALL  = $(or $(call TRIED,$(PACKED) $(FOLDED)),$(call TRIED,$(PACKED))) -C llvm-args=-inline-threshold=10

UNITS     := $(notdir $(wildcard scripts/systemd/*.service scripts/systemd/*.socket))
DOCUMENTS := src/docs/moving-from-vsftpd.md src/docs/security.md src/wire/PROTOCOL.md src/wire/http/API.md

.PHONY: help build run-server test tests-built test-systemd lint check-size bench man install uninstall deb test-deb clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

build: ## the two programs, optimised, in target/release
	$(CARGO) build --release --locked --bin forkftp
	$(CARGO) rustc --release --locked --bin forkftpd -- $(STATIC) $(SMALL)

run-server: build ## set up ./run and serve it until Ctrl-C: drive on 127.0.0.1:8888, FTP on 2121, HTTP on 8080 (PORT=N FTP_PORT=N HTTP_PORT=N for others)
	@exec scripts/run-server target/release $(or $(PORT),8888) $(or $(FTP_PORT),2121) $(or $(HTTP_PORT),8080)

# An optimised build is the work of one core for minutes: what does not need it is built beside it.
test: ## everything: lints, unit tests, the suite, the end-to-end scripts
	@$(MAKE) --no-print-directory -j2 build lint tests-built
	$(CARGO) test --locked
	scripts/test-unprivileged
	tests/e2e/run

# Not among the others: it wants root, and a Debian that it downloads.
test-systemd: build ## the service in a throw-away Debian that a real systemd boots (as root, at most five minutes)
	FORKFTP_BIN_DIR=$(CURDIR)/target/release scripts/test-systemd

check-size: build ## whether the server is at most 6 MiB
	scripts/check-size target/release/forkftpd

tests-built: lint
	$(CARGO) test --locked --no-run

lint: ## formatting, clippy, and the rules of the tree that no compiler knows
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	scripts/check-tree
	shellcheck scripts/check-tree scripts/run-server scripts/test-unprivileged scripts/test-systemd scripts/build-deb scripts/test-deb scripts/check-size .ci/run tests/patience.sh tests/e2e/run tests/e2e/*.sh tests/systemd/run tests/systemd/*.sh tests/bench/peers/*.sh tests/package/run tests/package/*.sh
	shellcheck -s sh scripts/packaging/postinst scripts/packaging/prerm scripts/packaging/postrm

bench: build ## figures against bare loops and other FTP servers, as ratios (ARGS=... to choose)
	install -D target/release/forkftpd target/bench/forkftpd
	FORKFTP_BENCH_SERVER=$(CURDIR)/target/bench/forkftpd $(CARGO) bench --locked --bench bench -- $(ARGS)
	@$(MAKE) --no-print-directory build

man: build ## man pages and shell completions, in target/generated
	target/release/forkftp generate $(GENERATED)

# Builds nothing: whoever installs is often root, who has no cargo.
install: ## what `make man` built, into DESTDIR and PREFIX; a configuration that is there stays
	@test -x $(PROGRAMS)/forkftpd && test -d $(GENERATED)/man || { echo "make man first: it builds what is installed" >&2; exit 1; }
	install -D -t $(DESTDIR)$(PREFIX)/bin $(PROGRAMS)/forkftp
	install -D -t $(DESTDIR)$(PREFIX)/sbin $(PROGRAMS)/forkftpd
	for section in 1 5 7 8; do install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man$$section $(GENERATED)/man/*.$$section || exit 1; done
	for name in forkftp forkftpd; do \
	  install -D -m 644 $(GENERATED)/completions/$$name.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$name && \
	  install -D -m 644 -t $(DESTDIR)$(ZSHDIR) $(GENERATED)/completions/_$$name && \
	  install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d $(GENERATED)/completions/$$name.fish || exit 1; \
	done
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/forkftp README.md $(DOCUMENTS)
	for unit in $(UNITS); do \
	  install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/systemd/system scripts/systemd/$$unit && \
	  sed -i 's:/usr/sbin/forkftpd:$(PREFIX)/sbin/forkftpd:' $(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit || exit 1; \
	done
	install -D -m 644 scripts/systemd/forkftp.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/forkftp.conf
	install -D -m 644 scripts/systemd/forkftp.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/forkftp.conf
	test -e $(DESTDIR)$(SYSCONFDIR)/forkftp/forkftpd.toml || install -D -m 644 -t $(DESTDIR)$(SYSCONFDIR)/forkftp scripts/packaging/forkftpd.toml
	test -e $(DESTDIR)$(SYSCONFDIR)/logrotate.d/forkftp || install -D -m 644 scripts/packaging/logrotate $(DESTDIR)$(SYSCONFDIR)/logrotate.d/forkftp

uninstall: ## what install put there, but configuration
	rm -f $(DESTDIR)$(PREFIX)/bin/forkftp $(DESTDIR)$(PREFIX)/sbin/forkftpd
	rm -f $(DESTDIR)$(PREFIX)/share/man/man[1578]/forkftp[.-]* $(DESTDIR)$(PREFIX)/share/man/man[1578]/forkftpd[.-]*
	for name in forkftp forkftpd; do \
	  rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$name \
	    $(DESTDIR)$(ZSHDIR)/_$$name \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/$$name.fish; \
	done
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/forkftp
	for unit in $(UNITS); do rm -f $(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit; done
	rm -f $(DESTDIR)$(PREFIX)/lib/sysusers.d/forkftp.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/forkftp.conf

# Needs cargo-deb: `cargo install cargo-deb --locked`, which takes some minutes, and is done here where it is missing.
deb: man ## a Debian package, in target/debian
	command -v cargo-deb >/dev/null || $(CARGO) install cargo-deb --locked
	scripts/build-deb

test-deb: deb ## that package in throw-away Debians: installed, upgraded, purged; and the page about moving from vsftpd, typed (root)
	scripts/test-deb

clean: ## what was built; ./run, with the files of the trial, stays
	$(CARGO) clean
