#!/usr/bin/env bash
# A listener that does nothing any more is replaced.
. "$(dirname "$0")/lib.sh"

plainly
drop_in "$UNIT" <<'END'
[Service]
WatchdogSec=6
END
systemctl daemon-reload
start
before=$(main)
kill -STOP "$before"
again() { is NRestarts 1 && is ActiveState active && [ "$(main)" != "$before" ]; }
wait_for 15 again
journalctl --after-cursor="$CURSOR" -u "$UNIT" -o cat --no-pager | grep -q 'Watchdog timeout' || fail "it was not the watchdog"
knock
doors_answered
