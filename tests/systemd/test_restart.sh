#!/usr/bin/env bash
# systemctl restart in the middle of 1 GiB in each direction on each face: every transfer ends whole, and nobody who comes is refused.
. "$(dirname "$0")/lib.sh"

plainly
start
big $((1 << 30))
knock
for face in drive ftp http; do
    begin get $face
    begin put $face
done
wait_for 30 are_in_the_middle
before=$(main)
systemctl restart "$UNIT"
is ActiveState active
[ "$(main)" != "$before" ] || fail "it is the same process"
[ ! -e "/proc/$before" ] || fail "the old listener is still there"
are_in_the_middle || fail "a transfer was cut"
[ -n "$(named forkftpd:drain)" ] || fail "nobody looks after them: $(processes)"
# Both generations at once.
doors_answered
let_go
# Whoever has nothing left to do goes.
no_drainer() { [ -z "$(named forkftpd:drain)" ] || { processes; return 1; }; }
wait_for 20 no_drainer
is NRestarts 0
is Result success
! complaints || fail "the journal complains"
