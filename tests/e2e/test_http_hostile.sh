#!/usr/bin/env bash
# What HTTP servers have been broken with is refused or harmless here: smuggled requests, bombs of ranges, floods of fields, slow requests,
# other sites' forms, scripts in names and in files, ways out of the library, forged hosts, cookies and lines.
. "$(dirname "$0")/lib.sh"

cd "$SCRATCH"
export HTTP_USER=trial HTTP_PASSWORD=$PASSWORD LIBRARY
mkdir "$LIBRARY/.private" "$LIBRARY/open" "$LIBRARY/open/folder"
echo secret-content >"$LIBRARY/.private/file"
echo secret-content >"$LIBRARY/.hidden"
echo outside-content >"$SCRATCH/outside"
echo content >"$LIBRARY/open/file"
ln -s "$SCRATCH/outside" "$LIBRARY/open/link"
ln -s "$SCRATCH" "$LIBRARY/open/folder-link"
ln -s / "$LIBRARY/open/root-link"
noise 100000 1 >"$LIBRARY/open/large"
add_user "$HTTP_USER" --rights all
add_user jailed --rights all --home open
add_user reader --rights list,get
config <<END
library = "library"
users_file = "users.toml"
max_failures = 1000
max_per_address = 1000
handshake_seconds = 3
durability = "none"
[anonymous]
rights = ["list", "get"]
[[listen]]
address = "127.0.0.1:0"
protocol = "http"
tls = "off"
[[listen]]
address = "127.0.0.1:0"
protocol = "http"
tls = "off"
login = "optional"
END
launch serve --config "$SCRATCH/forkftpd.toml"
both() { [ "$(grep -c 'listening on http://' "$LOG")" -ge 2 ]; }
wait_for 10 both
{ read -r PORT && read -r OPEN_PORT; } < <(grep -Eo 'listening on http://127.0.0.1:[0-9]+' "$LOG" | grep -Eo '[0-9]+$')
export PORT OPEN_PORT
python3 "$HERE/http_hostile.py"
same "$SCRATCH/outside" <(echo outside-content)
same "$LIBRARY/.hidden" <(echo secret-content)
[ "$(ls -A "$LIBRARY/.private")" = file ] || fail "something has got into the hidden folder"
wait_for 10 no_sessions
stage_empty || fail "an unfinished upload is left"
# Passwords are in no log, and nothing a client sent is printed raw.
! grep -q "$HTTP_PASSWORD" "$LOG" || fail "a password is in the log"
! LC_ALL=C grep -q $'[\x01-\x08\x0b-\x1f\x7f]' "$LOG" || fail "control bytes in the log: $(LC_ALL=C grep -a -m 3 $'[\x01-\x08\x0b-\x1f\x7f]' "$LOG" | cat -v)"
! grep -q '^forged' "$LOG" || fail "a forged line in the log"
! grep -Eqi 'panicked|SIGSYS|signal 31' "$LOG" || fail "a child died: $(grep -Ei -m 1 'panicked|SIGSYS|signal 31' "$LOG")"
