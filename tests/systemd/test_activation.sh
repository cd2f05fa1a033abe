#!/usr/bin/env bash
# The sockets are there before the server, which the first to connect has started; a table whose socket is missing is named.
. "$(dirname "$0")/lib.sh"

plainly
systemctl start "${SOCKETS[@]}"
is ActiveState inactive
[ -z "$(processes)" ] || fail "something runs: $(processes)"
knock
is ActiveState active
doors_answered
first=$(main)
# Stopped, it comes back for the next.
systemctl stop "$UNIT" 2>/dev/null
knock
doors_answered
[ "$(main)" != "$first" ] || fail "it was never stopped"

systemctl stop "${SOCKETS[@]}" "$UNIT"
systemctl start forkftpd.socket forkftpd-http.socket
if systemctl start "$UNIT" 2>"$SCRATCH/said"; then fail "it starts without one of its sockets"; fi
wait_for 5 logged 'systemd:ftp: no socket of this name was passed'
