#!/usr/bin/env bash
# The command is fit for scripts and for terminals: exit codes, standard streams, JSON, many files, Ctrl-C, odd names, the shell.
. "$(dirname "$0")/lib.sh"

printf 'Hello, drive!\n' >"$LIBRARY/hello.txt"
noise $((32 << 20)) 1 >"$LIBRARY/large"
mkdir "$LIBRARY/many" "$SCRATCH/here"
for n in {1..100}; do noise $((n * 501)) "$n" >"$LIBRARY/many/file $n"; done
serve --durability none
cd "$SCRATCH/here"

# Exit codes.
expect_status 0 "$FORKFTP" ping "$URL" -c 2
expect_status 0 "$FORKFTP" get "$URL/hello.txt"
same hello.txt "$LIBRARY/hello.txt"
expect_status 6 "$FORKFTP" get "$URL/hello.txt"
expect_status 0 "$FORKFTP" get --overwrite "$URL/hello.txt"
expect_status 1 "$FORKFTP" get "$URL/no-such"
has "$ERR" 'no-such'
expect_status 1 "$FORKFTP" get "$URL/many"
expect_status 1 "$FORKFTP" list "$URL/no-such"
expect_status 6 "$FORKFTP" put "$URL/" no-such-file-here
expect_status 6 "$FORKFTP" get "$URL/large" -o /no/such/folder/file
expect_status 2 "$FORKFTP" get
expect_status 2 "$FORKFTP" frobnicate "$URL"
expect_status 2 "$FORKFTP" list "http://127.0.0.1:$PORT/"
expect_status 2 "$FORKFTP" list "$URL/../x"
expect_status 3 "$FORKFTP" list "drive://127.0.0.1:1/"
expect_status 0 "$FORKFTP" --help
expect_status 0 "$FORKFTP" --version
# Some of many fail: the others are there, and the status says so.
expect_status 1 "$FORKFTP" get "$URL/" no-such many -r -o some
[ "$(find some -type f | wc -l)" -eq 100 ] || fail "one name that is not there cost the others"
for digest in blake3 sha256 md5; do
    expect_status 0 "$FORKFTP" get --overwrite --digest $digest "$URL/large" -o large
    same large "$LIBRARY/large"
    expect_status 0 "$FORKFTP" put --overwrite --digest $digest "$URL/put-$digest" large
    same large "$LIBRARY/put-$digest"
done
rm -r some large "$LIBRARY"/put-*

# Standard input and output; a reader that goes away is no failure worth a message of panic.
expect_status 0 "$FORKFTP" get "$URL/large" -o -
same "$OUT" "$LIBRARY/large"
expect_status 0 "$FORKFTP" put "$URL/from stdin" - <"$LIBRARY/large"
same "$LIBRARY/from stdin" "$LIBRARY/large"
rm "$LIBRARY/from stdin"
expect_status 2 "$FORKFTP" put "$URL/" - </dev/null
("$FORKFTP" get "$URL/large" -o - || true) 2>"$ERR" | head -c 100 | cmp - <(head -c 100 "$LIBRARY/large") || fail "the beginning of a pipe"
! grep -qi panic "$ERR" || fail "it panics when its reader goes"
("$FORKFTP" list -r "$URL/" || true) 2>"$ERR" | head -n 1 >/dev/null
! grep -qi panic "$ERR" || fail "it panics when its reader goes"

# JSON: one object a line, names that come back as they were.
touch "$LIBRARY/"$'\xff raw' "$LIBRARY/100% \"quoted\""
expect_status 0 "$FORKFTP" list -r --json "$URL/"
python3 - "$OUT" "$LIBRARY" <<'PYTHON'
import json, os, sys
from urllib.parse import unquote_to_bytes
entries = [json.loads(line) for line in open(sys.argv[1])]
library = os.fsencode(sys.argv[2])
got = {unquote_to_bytes(e["name"]): (e["type"], e["size"]) for e in entries}
want = {}
for folder, folders, files in os.walk(library):
    folders[:] = [f for f in folders if not f.startswith(b".")]
    for name in folders + files:
        path = os.path.join(folder, name)
        want[os.path.relpath(path, library)] = ("folder", 0) if name in folders else ("file", os.path.getsize(path))
assert got == want, set(got.items()) ^ set(want.items())
PYTHON
expect_status 0 "$FORKFTP" get --json "$URL/" hello.txt large --overwrite -o json
python3 -c 'import json, sys; lines = [json.loads(line) for line in open(sys.argv[1])]; assert lines' "$OUT"
expect_status 1 "$FORKFTP" get --json "$URL/no-such" -o json2
python3 -c 'import json, sys; [json.loads(line) for line in open(sys.argv[1])]' "$OUT"

# A hundred files over four connections, there and back.
expect_status 0 "$FORKFTP" get -j 4 -r "$URL/many" -o back
diff -r "$LIBRARY/many" "$(dirname "$(find back -name 'file 1')")" >&2 || fail "-j 4 got something else"
expect_status 0 "$FORKFTP" put -j 4 -r "$URL/again/" "$LIBRARY/many"
diff -r "$LIBRARY/many" "$LIBRARY/again/many" >&2 || fail "-j 4 put something else"

# Ctrl-C in the middle: 130, and nothing half, on either side.
mkdir cut
for what in get put; do
    if [ $what = get ]; then args=("$URL/large" -o cut/large); else args=("$URL/cut" "$LIBRARY/large"); fi
    start_in_background "$FORKFTP" $what --limit-rate 8M --quiet "${args[@]}" 2>"$ERR"
    wait_for 5 not no_sessions
    sleep 0.5
    kill -INT "$STARTED_PID" || fail "the $what was too fast to interrupt"
    status=0
    wait "$STARTED_PID" || status=$?
    [ $status -eq 130 ] || fail "an interrupted $what ends with $status"
done
[ -z "$(ls -A cut)" ] || fail "an interrupted get leaves $(ls -A cut)"
absent "$LIBRARY/cut"
wait_for 5 no_sessions
stage_empty || fail "an interrupted put leaves something in the stage"

# Names cannot speak to the terminal: no control character of any kind comes out of a listing or a message.
touch "$LIBRARY/"$'c1 \xc2\x9b31m' "$LIBRARY/"$'raw \x9b31m' "$LIBRARY/"$'bidi \u202etxt'
for command in "list '$URL/'" "list -l '$URL/'" "get '$URL/' \$'c1 \\xc2\\x9b31m' -o c1" "get '$URL/' \$'gone \\e[31m'"; do
    script -qec "bash -c \"'$FORKFTP' ${command//\"/\\\"}\"" /dev/null >"$OUT" </dev/null || true
    LC_ALL=C grep -q . "$OUT" || fail "no output: $command"
    ! LC_ALL=C grep -aP '\xc2[\x80-\x9f]|(?<![\xc2-\xf4])(?<![\xc2-\xf4][\x80-\xbf])(?<![\xc2-\xf4][\x80-\xbf]{2})[\x80-\x9f]|\xe2\x80\xae|\e\[31m' "$OUT" ||
        fail "a name reached the terminal raw: $command"
done

# The shell takes commands from a pipe.
mkdir shell
printf '%s\n' list 'cd many' 'get "file 1"' 'cd ..' 'get hello.txt' 'put shelled' quit |
    (cd shell && cp "$LIBRARY/large" shelled && expect_status 0 "$FORKFTP" shell "$URL")
same shell/hello.txt "$LIBRARY/hello.txt"
same shell/shelled "$LIBRARY/shelled"
same "shell/file 1" "$LIBRARY/many/file 1"
has "$OUT" 'hello\.txt'
stop

# Nobody listens any more.
expect_status 3 "$FORKFTP" list "$URL/"
