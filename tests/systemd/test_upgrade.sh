#!/usr/bin/env bash
# Another program under the same name, and a reload: the same process is the new program, transfers go on and nobody is refused. One that
# is broken fails the reload.
. "$(dirname "$0")/lib.sh"

plainly
start
big $((128 << 20))
knock
begin get http
begin put ftp
begin get drive
wait_for 20 are_in_the_middle
before=$(main)

replace() { # the program by a file
    install -m 755 "$1" /usr/sbin/forkftpd.new
    mv /usr/sbin/forkftpd.new /usr/sbin/forkftpd
}
runs_the_new() { [ "$(stat -Lc %i "/proc/$(main)/exe")" = "$(stat -c %i /usr/sbin/forkftpd)" ]; }
replace /bin/false
if systemctl reload "$UNIT" 2>"$SCRATCH/said"; then fail "a broken program is taken over"; fi
[ "$(main)" = "$before" ] || fail "the process was replaced"
replace /opt/bin/forkftpd
! runs_the_new || fail "it cannot be told whether it was replaced"
systemctl reload "$UNIT"
wait_for 20 runs_the_new
[ "$(main)" = "$before" ] || fail "the process was replaced"
is ActiveState active
are_in_the_middle || fail "a transfer was cut"
doors_answered
let_go
is NRestarts 0
