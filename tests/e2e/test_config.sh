#!/usr/bin/env bash
# A configuration that is wrong or unsafe is refused before anything listens, with file, line and remedy; a sound one is said to be.
. "$(dirname "$0")/lib.sh"

toml=$SCRATCH/forkftpd.toml
# refused PATTERN [FLAG...]: check and serve both refuse what is in the file, and say the pattern.
refused() {
    local pattern=$1
    shift
    for word in check serve; do
        expect_status 1 timeout 10 "$FORKFTPD" $word --config "$toml" "$@"
        has "$ERR" "$pattern"
        ! grep -q 'listening on' "$ERR" || fail "it listened before it refused"
    done
}
good='library = "library"
secret_file = "secret"
[[listen]]
address = "127.0.0.1:0"'
with() { printf '%s\n%s\n' "$1" "$good" | config; }

# Sound: relative paths are relative to the file, wherever one stands.
config <<<"$good"
cd /
expect_status 0 "$FORKFTPD" check --config "$toml"
grep -Eiq '\bok\b|sound' "$OUT" "$ERR" || fail "check does not say that all is well"
expect_status 0 "$FORKFTPD" check --library "$LIBRARY" --secret-file "$SECRET" --listen 127.0.0.1:0
launch serve --config "$toml"
expect_status 0 "$FORKFTP" list "$URL/"
stop

with 'max_cleints = 5'
refused 'forkftpd\.toml:1:.*max_cleints'
with $'\n\nprefork = "four"'
refused 'forkftpd\.toml:3:'
with 'max_clients = '
refused 'forkftpd\.toml:1:'
with $'max_clients = 5\nmax_clients = 6'
refused 'forkftpd\.toml:2:.*'
with $'max_clients = 10\nmax_per_address = 11'
refused 'forkftpd\.toml:2:.*max_per_address'
with $'max_clients = 10\nprefork = 11'
refused 'forkftpd\.toml:2:.*prefork'
with 'idle_seconds = 0'
refused 'forkftpd\.toml:1:.*idle_seconds'
with 'durability = "some"'
refused 'forkftpd\.toml:1:'
config <<<"${good/127.0.0.1:0/localhost:0}"
refused 'forkftpd\.toml:4:'
config <<<"${good/127.0.0.1:0/127.0.0.1:99999}"
refused 'forkftpd\.toml:4:'
config <<<"$good"$'\nprotocol = "gopher"'
refused 'forkftpd\.toml:5:'
config <<<"${good/127.0.0.1:0/0.0.0.0:0}"$'\nproof = "none"'
refused 'forkftpd\.toml:4:.*(proof|secret)'

# Without a proof only where nobody from outside can come.
expect_status 1 timeout 10 "$FORKFTPD" serve --library "$LIBRARY" --no-secret --listen 0.0.0.0:0
has "$ERR" '0\.0\.0\.0'
expect_status 1 timeout 10 "$FORKFTPD" serve --library "$LIBRARY" --no-secret --listen '[::]:0'
launch serve --library "$LIBRARY" --no-secret --listen 127.0.0.1:0
expect_status 0 env -u FORKFTP_SECRET_FILE "$FORKFTP" list "$URL/"
stop

# The secret: private, long enough, outside the library, and there.
config <<<"$good"
chmod 644 "$SECRET"
refused 'secret.*chmod (0?600|go-rwx|go=)'
chmod 640 "$SECRET"
refused 'secret.*chmod'
chmod 600 "$SECRET"
printf 'fifteen letters' >"$SECRET"
refused 'secret.*16'
printf '   \n\n' >"$SECRET"
refused 'secret'
rm "$SECRET"
refused 'secret'
mkfifo -m 600 "$SECRET"
refused 'secret'
rm "$SECRET"
printf '0123456789abcdef0123456789abcdef' >"$LIBRARY/secret"
chmod 600 "$LIBRARY/secret"
config <<<"${good/\"secret\"/\"library/secret\"}"
refused 'secret.*library'
config <<<"${good/secret_file/# secret_file}"
refused 'forkftpd secret new'

# A new secret is private and good, and never written over another.
expect_status 0 "$FORKFTPD" secret new "$SECRET"
[ "$(stat -c %a "$SECRET")" = 600 ] || fail "the new secret has mode $(stat -c %a "$SECRET")"
[ "$(wc -c <"$SECRET")" -ge 32 ] || fail "the new secret is short"
first=$(sum "$SECRET")
expect_status 1 "$FORKFTPD" secret new "$SECRET"
[ "$(sum "$SECRET")" = "$first" ] || fail "a secret was written over"
config <<<"$good"
expect_status 0 "$FORKFTPD" check --config "$toml"

# The library, the file itself, the command line.
mv "$LIBRARY" "$SCRATCH/away"
refused 'library'
printf 'a file' >"$LIBRARY"
refused 'library'
rm "$LIBRARY"
mv "$SCRATCH/away" "$LIBRARY"
expect_status 1 "$FORKFTPD" check --config "$SCRATCH/no-such.toml"
has "$ERR" 'no-such\.toml'
expect_status 2 "$FORKFTPD" serve --no-such-flag
expect_status 2 "$FORKFTPD" serve --no-secret --secret-file "$SECRET"
