#!/usr/bin/env bash
# systemctl stop: nobody is let in any more, transfers finish, those of before a restart too, and then nothing of the service is left.
# Who is not done after drain_seconds is ended.
. "$(dirname "$0")/lib.sh"

stops() { is ActiveState deactivating; }
refuses() { ! (exec 3<>/dev/tcp/127.0.0.1/21) 2>/dev/null; }
stopped() { is ActiveState inactive; }

plainly 'drain_seconds = 60'
start
big $((128 << 20))
begin put drive
wait_for 20 are_in_the_middle
systemctl restart "$UNIT"
begin get http
begin put ftp
wait_for 20 are_in_the_middle
systemctl stop "${SOCKETS[@]}" 2>/dev/null
systemctl stop --no-block "$UNIT"
wait_for 5 stops
wait_for 5 refuses
wait_for 5 has_status drain
are_in_the_middle || fail "a transfer was cut"
let_go
wait_for 10 stopped
is Result success
wait_for 5 nobody_left
[ -z "$(ls -A $LIBRARY/.forkftp/stage)" ] || fail "the stage is not empty"

# The same, and nobody goes on.
plainly 'drain_seconds = 2'
start
big $((128 << 20))
begin put drive
begin get drive
wait_for 20 are_in_the_middle
systemctl restart "$UNIT"
begin get http
wait_for 20 are_in_the_middle
systemctl stop "${SOCKETS[@]}" 2>/dev/null
systemctl stop --no-block "$UNIT"
wait_for 15 stopped
wait_for 5 nobody_left
is Result success
touch "$SCRATCH/go"
for pid in "${TRANSFERS[@]}"; do
    if wait "$pid"; then fail "a transfer that was cut says it is well"; fi
done
[ "$(ls $LIBRARY)" = big ] || fail "half a file is shown: $(ls $LIBRARY)"
