#!/usr/bin/env bash
# What FTP servers have been broken with is refused here: bouncing, stolen data ports, plaintext before TLS, floods, long lines, offsets
# beyond everything, half handshakes, slow logins, other protocols, patterns that explode, ways out of the library, forged lines.
. "$(dirname "$0")/ftp.sh"

mkdir "$LIBRARY/.private" "$LIBRARY/open"
echo secret >"$LIBRARY/.private/file"
echo secret >"$LIBRARY/.hidden"
echo outside >"$SCRATCH/outside"
ln -s "$SCRATCH/outside" "$LIBRARY/open/link"
ln -s "$SCRATCH" "$LIBRARY/open/folder-link"
ln -s / "$LIBRARY/open/root-link"
add_user "$FTP_USER" --rights all
add_user jailed --rights all --home open
serve_ftp $'active = true\ndata_seconds = 2' 'login_seconds = 2' 'passive_ports = "50100-50119"' '[[listen]]
address = "127.0.0.1:0"
protocol = "ftp"
tls = "required"'
both() { [ "$(grep -c 'listening on ftp://' "$LOG")" -ge 2 ]; }
wait_for 10 both
FTP_REQUIRED_PORT=$(grep -Eo 'listening on ftp://127.0.0.1:[0-9]+' "$LOG" | sed -n 2p | grep -Eo '[0-9]+$')
export FTP_REQUIRED_PORT
python3 "$HERE/ftp_hostile.py"
same "$SCRATCH/outside" <(echo outside)
same "$LIBRARY/.hidden" <(echo secret)
[ "$(ls -A "$LIBRARY/.private")" = file ] || fail "something has got into the hidden folder"
wait_for 10 no_sessions
# Passwords are in no log, and nothing a client sent is printed raw.
! grep -q "$FTP_PASSWORD" "$LOG" || fail "a password is in the log"
! LC_ALL=C grep -q $'[\x01-\x08\x0b-\x1f\x7f]' "$LOG" || fail "control bytes in the log: $(LC_ALL=C grep -a -m 3 $'[\x01-\x08\x0b-\x1f\x7f]' "$LOG" | cat -v)"
! grep -q '^forged' "$LOG" || fail "a forged line in the log"
