#!/usr/bin/env bash
# kill -9 of the listener: it is started again, those it served are served to the end, and those who come are served.
. "$(dirname "$0")/lib.sh"

plainly
start
big $((128 << 20))
begin get http
begin put drive
wait_for 20 are_in_the_middle
before=$(main)
kill -KILL "$before"
again() { is NRestarts 1 && is ActiveState active && [ "$(main)" != "$before" ]; }
wait_for 10 again
knock
doors_answered
are_in_the_middle || fail "a transfer was cut"
let_go
