#!/usr/bin/env bash
# forkftpd check says who may do what and which walls stand, and warns of what is allowed and unsafe.
. "$(dirname "$0")/lib.sh"

cd "$SCRATCH"
mkdir "$LIBRARY/box"
user() { "$FORKFTPD" user --users-file users.toml "$@" >"$OUT"; }
user add alice --rights all --home box --generate --iterations 4096
user add bob --rights get --generate --iterations 4096
user disable bob
check() { expect_status 0 "$FORKFTPD" check --config forkftpd.toml; }
configure() { # address, what follows in [[listen]]; further keys by standard input
    { cat; printf '%s\n' 'library = "library"' 'secret_file = "secret"' 'users_file = "users.toml"' '[anonymous]' 'rights = ["list", "get"]' \
        '[[listen]]' "address = \"$1\"" "$2"; } | config
}

configure 127.0.0.1:0 'login = "optional"' </dev/null
check
has "$OUT" '^listen drive://127.0.0.1:0: clients prove the secret, login optional$'
has "$OUT" '^without a login: list,get; no limits of their own$'
has "$OUT" '^users: 2 \(1 disabled\)$'
has "$OUT" '^  seccomp: yes$'
has "$OUT" '^  Landlock: yes$'
if [ "$(id -u)" -eq 0 ]; then
    has "$OUT" '^children: uid [1-9][0-9]*, in an empty root folder; sandbox full$'
fi
! grep -q WARNING "$OUT" || fail "a warning of a safe configuration: $(cat "$OUT")"
has "$OUT" '^configuration ok$'

configure 127.0.0.1:0 'login = "required"' </dev/null
check
has "$OUT" 'login required$'
! grep -q 'without a login' "$OUT" || fail "somebody comes in without a login"

# Others are on the way.
configure 0.0.0.0:0 'login = "required"' </dev/null
check
has "$OUT" '^WARNING: 0.0.0.0:0 is not local and has no TLS: .*passwords.*tls = true'
configure 127.0.0.1:0 $'login = "optional"\nproof = "none"' </dev/null
check
has "$OUT" '^listen .*NO PROOF'
has "$OUT" '^WARNING: 127.0.0.1:0 asks for no proof'

# HTTP, and what belongs to it.
configure 127.0.0.1:0 $'protocol = "http"\nlogin = "optional"\nmetrics_networks = ["127.0.0.1"]\n[[listen]]\naddress = "127.0.0.1:1"\nprotocol = "http"\nredirect = "https://h"' \
    <<<'shares_file = "shares.json"'
check
has "$OUT" '^listen http://127.0.0.1:0: login optional$'
has "$OUT" '^  /-/metrics for 127.0.0.1/32$'
has "$OUT" '^listen http://127.0.0.1:1: sends all on to https://h$'
has "$OUT" '^share links: 0$'
[ ! -e shares.json ] || fail "checking made the shares' file"
configure 0.0.0.0:0 $'protocol = "http"\nlogin = "required"' </dev/null
expect_status 1 "$FORKFTPD" check --config forkftpd.toml
has "$ERR" 'forkftpd.toml:[0-9]+: .*passwords would go there in the clear.*tls = "off"'
configure 0.0.0.0:0 $'protocol = "http"\nlogin = "required"\ntls = "off"' </dev/null
check
has "$OUT" '^WARNING: 0.0.0.0:0 is not local and has no TLS: .*passwords too'

# Less of a wall than there could be.
for level in off no-landlock; do
    configure 127.0.0.1:0 'login = "required"' <<<"sandbox = \"$level\""
    check
    has "$OUT" "^WARNING: sandbox = \"$level\""
done

# Users who cannot come in, may do nothing, or are ended for being as slow as they have to be.
user set alice --upload-rate '10 KiB'
user rights bob none
configure 127.0.0.1:0 'login = "required"' <<<'min_rate = "20 KiB"'
check
has "$OUT" '^WARNING: min_rate = 20 KiB is more than upload_rate = 10 KiB of alice'
has "$OUT" '^WARNING: bob may do nothing'
! grep -q 'download_rate' "$OUT" || fail "a warning of a rate that is not there"
rmdir "$LIBRARY/box"
check
has "$OUT" '^WARNING: the home of alice, box, is no folder'
