#!/usr/bin/env bash
# Nothing is overwritten unasked, one name has one writer, and readers see the old file or the new one, whole.
. "$(dirname "$0")/lib.sh"

noise 5000000 1 >"$SCRATCH/one"
noise 7000000 2 >"$SCRATCH/two"
serve --durability none

expect_status 0 "$FORKFTP" put "$URL/file" "$SCRATCH/one"
expect_status 1 "$FORKFTP" put "$URL/file" "$SCRATCH/two"
has "$ERR" 'taken'
same "$SCRATCH/one" "$LIBRARY/file"
expect_status 0 "$FORKFTP" put --overwrite "$URL/file" "$SCRATCH/two"
same "$SCRATCH/two" "$LIBRARY/file"

# Two writers of one name: the second is told in-use at once; when the first has ended it may.
PORT=$PORT LIBRARY=$LIBRARY python3 - <<'PYTHON'
from raw import *
with Raw() as first, Raw() as second:
    first.send(frame("P", {"path": "contested", "digest": "sha256"}) + frame("D", b"first"))
    first.sock.settimeout(0.3)
    try:
        first.receive()
        raise AssertionError("an answer before the end")
    except TimeoutError:
        pass
    first.sock.settimeout(10)
    second.send(frame("P", {"path": "contested", "digest": "sha256", "overwrite": True}))
    second.expect_code("in-use")
    second.send(frame("D", b"second") + frame("E", {"code": "cancelled", "message": "then not"}))
    second.alive()
    second.send(frame("P", {"path": "contested", "digest": "sha256", "overwrite": True, "resume": True}))
    second.expect_code("in-use")
    assert second.get("contested") is None
    first.send(frame("Z", {"size": 5, "digest": hashlib.sha256(b"first").hexdigest()}))
    first.expect("K")
    assert second.get("contested") == b"first"
with Raw() as first, Raw() as second:               # a file that comes into being during an upload is not overwritten
    first.send(frame("P", {"path": "race", "digest": "sha256"}) + frame("D", b"first"))
    time.sleep(0.3)
    open(os.environ["LIBRARY"] + "/race", "w").write("local")
    first.send(frame("Z", {"size": 5, "digest": hashlib.sha256(b"first").hexdigest()}))
    first.expect_code("exists")
    assert second.get("race") == b"local"
PYTHON

# Whoever reads while it is overwritten again and again gets one of the two, whole: until both were seen, and often enough.
one=$(sum "$SCRATCH/one") two=$(sum "$SCRATCH/two")
(
    until [ -e "$SCRATCH/enough" ]; do
        "$FORKFTP" put --overwrite --quiet "$URL/file" "$SCRATCH/one"
        "$FORKFTP" put --overwrite --quiet "$URL/file" "$SCRATCH/two"
    done
) &
writer=$!
seen=
end=$((SECONDS + 30))
for ((looks = 0; looks < 15 || $(wc -w <<<"$seen") < 2; looks++)); do
    [ $SECONDS -lt $end ] || fail "the readers saw only one of the two: the test does not meet the writer"
    expect_status 0 "$FORKFTP" get --overwrite --quiet "$URL/file" -o "$SCRATCH/got"
    now=$(sum "$SCRATCH/got")
    [ "$now" = "$one" ] || [ "$now" = "$two" ] || fail "a reader got something else"
    case "$seen" in *"$now"*) ;; *) seen+=" $now" ;; esac
    now=$(sum "$LIBRARY/file")
    [ "$now" = "$one" ] || [ "$now" = "$two" ] || fail "the disk showed something else"
done
touch "$SCRATCH/enough"
wait $writer || fail "a writer failed"
same "$SCRATCH/two" "$LIBRARY/file"
stage_empty || fail "the stage is not empty"
stop
