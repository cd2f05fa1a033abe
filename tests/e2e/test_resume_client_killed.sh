#!/usr/bin/env bash
# A client killed at any point of a put or get leaves the old file or the new one, never a part; --resume completes.
. "$(dirname "$0")/lib.sh"

noise $((64 << 20)) 1 >"$SCRATCH/new"
noise $((1 << 20)) 2 >"$SCRATCH/old"
new=$(sum "$SCRATCH/new") old=$(sum "$SCRATCH/old")
cuts=0
serve --durability none

# Kills the last client started after a random part of its expected time.
kill_midway() {
    sleep "0.$(printf '%03d' $((RANDOM % 420 + 5)))"
    if kill -KILL "$STARTED_PID" 2>/dev/null; then cuts=$((cuts + 1)); fi
    wait "$STARTED_PID" 2>/dev/null || true
    wait_for 5 no_sessions
}

for round in {1..12}; do
    cp "$SCRATCH/old" "$LIBRARY/file"
    start_in_background "$FORKFTP" put --overwrite --limit-rate 160M --quiet "$URL/file" "$SCRATCH/new"
    kill_midway
    now=$(sum "$LIBRARY/file")
    [ "$now" = "$old" ] || [ "$now" = "$new" ] || fail "round $round: the target is neither old nor new"
    stage_empty || fail "round $round: the stage is not empty"
    expect_status 0 "$FORKFTP" put --overwrite --resume --quiet "$URL/file" "$SCRATCH/new"
    same "$SCRATCH/new" "$LIBRARY/file"
done
[ $cuts -ge 6 ] || fail "only $cuts of 12 puts were cut: the test does not hit the middle"

cuts=0
for round in {1..12}; do
    cp "$SCRATCH/old" "$SCRATCH/got"
    start_in_background "$FORKFTP" get --overwrite --limit-rate 160M --quiet "$URL/file" -o "$SCRATCH/got"
    kill_midway
    now=$(sum "$SCRATCH/got")
    [ "$now" = "$old" ] || [ "$now" = "$new" ] || fail "round $round: the local file is neither old nor new"
    expect_status 0 "$FORKFTP" get --overwrite --resume --quiet "$URL/file" -o "$SCRATCH/got"
    same "$SCRATCH/new" "$SCRATCH/got"
done
[ $cuts -ge 6 ] || fail "only $cuts of 12 gets were cut: the test does not hit the middle"

# What was kept for resuming is used up.
[ -z "$(ls -A "$LIBRARY/.forkftp/partial" 2>/dev/null)" ] || fail "partials are left: $(ls -A "$LIBRARY/.forkftp/partial")"

# A cut upload is really gone on with, not begun again: the server keeps the bytes, and the proof is in the time it takes.
rm "$LIBRARY/file"
start_in_background "$FORKFTP" put --limit-rate 40M --quiet "$URL/file" "$SCRATCH/new"
half_is_there() { [ -n "$(find "$LIBRARY/.forkftp/partial" -type f -size +32M)" ]; }
wait_for 10 half_is_there
kill -KILL "$STARTED_PID" || fail "the client was too fast"
wait_for 5 no_sessions
[ ! -e "$LIBRARY/file" ] || fail "half a file has appeared"
kept=$(find "$LIBRARY/.forkftp/partial" -type f -size +20M | wc -l)
[ "$kept" -eq 1 ] || fail "the server has not kept the bytes that arrived"
start=$SECONDS
expect_status 0 "$FORKFTP" put --resume --limit-rate 10M --quiet "$URL/file" "$SCRATCH/new"
[ $((SECONDS - start)) -le 5 ] || fail "the put was begun again: it took $((SECONDS - start)) s"
same "$SCRATCH/new" "$LIBRARY/file"
stop
