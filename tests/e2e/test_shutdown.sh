#!/usr/bin/env bash
# SIGTERM lets transfers finish and takes no new ones; a second one ends at once; children survive a kill -9 of the listener.
. "$(dirname "$0")/lib.sh"

noise $((24 << 20)) 1 >"$LIBRARY/file"
noise $((24 << 20)) 2 >"$SCRATCH/mine"

begin_transfers() {
    rm -rf "$SCRATCH/got" "$LIBRARY/put" "$LIBRARY"/.forkftp/partial/*
    start_in_background "$FORKFTP" get --limit-rate "$1" --quiet "$URL/file" -o "$SCRATCH/got" 2>"$SCRATCH/get.err"
    getter=$STARTED_PID
    start_in_background "$FORKFTP" put --limit-rate "$1" --quiet "$URL/put" "$SCRATCH/mine" 2>"$SCRATCH/put.err"
    putter=$STARTED_PID
    wait_for 5 two_sessions
    wait_for 10 both_move
    if gone "$getter" || gone "$putter"; then fail "the transfers were over too soon: --limit-rate does not limit"; fi
}
# Bytes of the one have been written here, and of the other there.
both_move() {
    [ "$(sed -n 's/^wchar: //p' "/proc/$getter/io")" -gt 200000 ] && [ -n "$(find "$LIBRARY/.forkftp" -type f -size +200k)" ]
}
two_sessions() { [ "$(sessions | wc -l)" -eq 2 ]; }
refuses_connections() { ! (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null; }

for signal in TERM INT; do
    if [ $signal = INT ]; then prefork=2; else prefork=0; fi
    serve --drain-seconds 30 --durability none --prefork $prefork
    begin_transfers 12M
    PORT=$PORT start_in_background python3 -c 'from raw import *; it = Raw(); print("greeted", flush=True); it.ends_with("closing")' >"$SCRATCH/idle" 2>&1
    idler=$STARTED_PID
    wait_for 5 grep -q greeted "$SCRATCH/idle"
    kill -"$signal" "$SERVER"
    wait_for 3 refuses_connections
    if gone "$getter" || gone "$putter"; then fail "$signal cut a transfer"; fi
    wait "$getter" || fail "$signal: the get did not finish: $(cat "$SCRATCH/get.err")"
    wait "$putter" || fail "$signal: the put did not finish: $(cat "$SCRATCH/put.err")"
    wait "$SERVER" || fail "$signal: the server ended with $?"
    same "$LIBRARY/file" "$SCRATCH/got"
    same "$SCRATCH/mine" "$LIBRARY/put"
    wait "$idler" || fail "$signal: an idle session was not told closing: $(cat "$SCRATCH/idle")"
    stage_empty || fail "$signal: the stage is not empty"
done

# Twice: at once. Nothing half is left, and no process.
serve --drain-seconds 60 --durability none
begin_transfers 3M
family=$(children)
kill -TERM "$SERVER"
wait_for 3 refuses_connections
start=$SECONDS
kill -TERM "$SERVER"
wait "$SERVER" || true
[ $((SECONDS - start)) -le 3 ] || fail "the second SIGTERM took $((SECONDS - start)) s"
for pid in $family; do wait_for 3 gone "$pid"; done
wait "$getter" && fail "a get cut by the second SIGTERM says it is well"
wait "$putter" && fail "a put cut by the second SIGTERM says it is well"
absent "$SCRATCH/got" "$LIBRARY/put"
stage_empty || fail "the stage is not empty"

# Who does not finish within the drain time is ended.
serve --drain-seconds 2 --durability none
begin_transfers 1M
start=$SECONDS
kill -TERM "$SERVER"
wait "$SERVER" || true
[ $((SECONDS - start)) -le 6 ] || fail "draining took $((SECONDS - start)) s instead of 2"
wait "$getter" || true
wait "$putter" || true
absent "$SCRATCH/got" "$LIBRARY/put"

# kill -9 of the listener: the transfers go on to their end, and then nobody is left.
serve --durability none
begin_transfers 12M
family=$(children)
kill -KILL "$SERVER"
wait "$SERVER" 2>/dev/null || true
wait "$getter" || fail "the get did not survive its listener: $(cat "$SCRATCH/get.err")"
wait "$putter" || fail "the put did not survive its listener: $(cat "$SCRATCH/put.err")"
same "$LIBRARY/file" "$SCRATCH/got"
same "$SCRATCH/mine" "$LIBRARY/put"
for pid in $family; do wait_for 5 gone "$pid"; done
stage_empty || fail "the stage is not empty"

# A Unix socket is taken away at the end.
launch serve --library "$LIBRARY" --listen "unix:$SCRATCH/socket" --listen 127.0.0.1:0 --secret-file "$SECRET"
[ -S "$SCRATCH/socket" ] || fail "there is no socket"
stop
absent "$SCRATCH/socket"
