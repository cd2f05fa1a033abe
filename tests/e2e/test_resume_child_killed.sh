#!/usr/bin/env bash
# The server's child killed at any point of a put or get leaves the old file or the new one; the client says so; --resume completes.
. "$(dirname "$0")/lib.sh"

noise $((64 << 20)) 1 >"$SCRATCH/new"
noise $((1 << 20)) 2 >"$SCRATCH/old"
new=$(sum "$SCRATCH/new") old=$(sum "$SCRATCH/old")
serve --durability none

# Kills the one session after a random time; the client must end by itself: 3 when it was cut, 0 when it was faster.
kill_child() {
    local pid status=0
    sleep "0.$(printf '%03d' $((RANDOM % 420 + 5)))"
    for pid in $(sessions); do kill -KILL "$pid" 2>/dev/null || true; done
    wait "$STARTED_PID" || status=$?
    case $status in
    0) ;;
    3) cuts=$((cuts + 1)) ;;
    *) fail "the client ended with $status, not 3" ;;
    esac
    wait_for 5 no_sessions
    kill -0 "$SERVER" || fail "the listener is gone"
}

for what in put get; do
    cuts=0
    for round in {1..12}; do
        if [ $what = put ]; then
            target=$LIBRARY/file args=("$URL/file" "$SCRATCH/new")
        else
            target=$SCRATCH/got args=("$URL/file" -o "$SCRATCH/got")
        fi
        cp "$SCRATCH/old" "$target"
        start_in_background "$FORKFTP" $what --overwrite --limit-rate 160M --quiet "${args[@]}" 2>"$ERR"
        kill_child
        now=$(sum "$target")
        [ "$now" = "$old" ] || [ "$now" = "$new" ] || fail "$what round $round: neither old nor new"
        stage_empty || fail "$what round $round: the stage is not empty"
        expect_status 0 "$FORKFTP" $what --overwrite --resume --quiet "${args[@]}"
        same "$SCRATCH/new" "$target"
    done
    [ $cuts -ge 6 ] || fail "only $cuts of 12 were cut: the test does not hit the middle of a $what"
done
[ -z "$(ls -A "$LIBRARY/.forkftp/partial" 2>/dev/null)" ] || fail "partials are left"
stop
