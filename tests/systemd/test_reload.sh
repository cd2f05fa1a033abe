#!/usr/bin/env bash
# systemctl reload: a new configuration holds for those who come, and who was there goes on; a broken one fails the reload, visibly, and
# changes nothing.
. "$(dirname "$0")/lib.sh"

plainly
start
big $((64 << 20))
begin get drive
wait_for 20 are_in_the_middle
before=$(main)

echo 'rights = ["list"]' >"$SCRATCH/rights"
sed -i '/^rights/c rights = ["list"]' "$CONFIG"
systemctl reload "$UNIT"
denied() { ! upload http denied </dev/null 2>"$SCRATCH/denied" && [ ! -e "$LIBRARY/denied" ]; }
wait_for 10 denied
is ActiveState active

sed -i '/^rights/c rights = ["fly"]' "$CONFIG"
if systemctl reload "$UNIT" 2>"$SCRATCH/said"; then fail "a broken configuration is reloaded"; fi
wait_for 5 logged "$CONFIG:[0-9]+: .*fly"
is ActiveState active
denied || fail "what failed has changed something"

sed -i '/^rights/c rights = ["list", "get", "put", "overwrite"]' "$CONFIG"
systemctl reload "$UNIT"
allowed() { upload http allowed </dev/null; }
wait_for 10 allowed
# One that only the server finds broken: the old one stays, and the status says so.
[ "$(main)" = "$before" ] || fail "a reload replaced the process"
is NRestarts 0
let_go
