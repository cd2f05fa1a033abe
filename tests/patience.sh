# How every test in shell fails, and waits for a condition. Sourced by the lib.sh of each folder, which has made $SCRATCH.
# shellcheck shell=bash

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

# Tries a command every 50 ms until it is true, at most so many seconds.
wait_for() {
    local end=$((SECONDS + $1 + 1))
    shift
    until "$@" >"$SCRATCH/wait" 2>&1; do
        [ $SECONDS -lt $end ] || fail "waited in vain for: $* $(tail -n 5 "$SCRATCH/wait")"
        sleep 0.05
    done
}
