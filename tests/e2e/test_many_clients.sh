#!/usr/bin/env bash
# Twenty clients at once put and get twenty different files, and each has its own; forked at accept and ahead of time.
. "$(dirname "$0")/lib.sh"

mkdir "$SCRATCH/mine" "$SCRATCH/back"
for n in {1..20}; do noise $((n * 100003)) "$n" >"$SCRATCH/mine/$n"; done

for mode in "" "--prefork 4"; do
    # shellcheck disable=SC2086 # the option and its value are two words
    serve $mode --durability none
    for pass in put get; do
        pids=()
        for n in {1..20}; do
            if [ $pass = put ]; then
                "$FORKFTP" put "$URL/$n.bin" "$SCRATCH/mine/$n" >/dev/null &
            else
                "$FORKFTP" get "$URL/" "$n.bin" -o "$SCRATCH/back/$n" >/dev/null &
            fi
            pids+=($!)
        done
        for pid in "${pids[@]}"; do wait "$pid" || fail "a client failed to $pass with '$mode'"; done
    done
    for n in {1..20}; do
        same "$SCRATCH/mine/$n" "$LIBRARY/$n.bin"
        same "$SCRATCH/mine/$n" "$SCRATCH/back/$n"
    done
    stop
    rm -rf "$LIBRARY"/*.bin "$SCRATCH/back"/*
done
