#!/usr/bin/env bash
# PROTOCOL.md is enough: a client written from it alone proves itself, lists, gets, puts and quits.
. "$(dirname "$0")/lib.sh"

noise 3000000 1 >"$LIBRARY/large"
printf 'Hello, drive!\n' >"$LIBRARY/hello.txt"
mkdir "$LIBRARY/folder"
: >"$LIBRARY/folder/empty"
noise 1234567 2 >"$SCRATCH/mine"
serve

for mac in hmac-sha256 hmac-md5; do
    drive() { python_client --mac "$mac" "$@"; }
    drive list >"$OUT"
    has "$OUT" '^file 14 hello.txt$'
    has "$OUT" '^file 3000000 large$'
    has "$OUT" '^folder 0 folder$'
    expect_status 0 drive get large "$SCRATCH/large.$mac"
    same "$LIBRARY/large" "$SCRATCH/large.$mac"
    expect_status 0 drive get folder/empty "$SCRATCH/empty.$mac"
    same "$LIBRARY/folder/empty" "$SCRATCH/empty.$mac"
    expect_status 0 drive put "$SCRATCH/mine" "folder/$mac"
    same "$SCRATCH/mine" "$LIBRARY/folder/$mac"
    expect_status 1 drive put "$SCRATCH/large.$mac" "folder/$mac"
    has "$ERR" 'exists'
    same "$SCRATCH/mine" "$LIBRARY/folder/$mac"
    expect_status 1 drive get no-such-file "$SCRATCH/none"
    has "$ERR" 'not-found'
    expect_status 0 drive ping
    expect_status 0 drive quit
done
expect_status 0 python_client demo
same "$HERE/drive_client.py" "$LIBRARY/demo.py"
wait_for 5 no_sessions
stage_empty || fail "the stage is not empty"
stop
