#!/usr/bin/env bash
# Names are bytes: odd ones travel unchanged, dangerous ones are refused, and what is no file or folder is not there.
. "$(dirname "$0")/lib.sh"

long=$(printf 'n%.0s' {1..255})
odd=("two words" "Grüße 日本 🚀" "-dash" "--help" "100%" "%41" "a%zz" "'single'" '"double"' 'back\slash' $'latin-\xfc' $'\xff\xfe'
    "$long" "semi;colon" "\$HOME" "*?[" "tail " "a=b&c#d" "colon:8888")
mkdir "$LIBRARY/odd" "$SCRATCH/odd" "$SCRATCH/back"
serve --durability none

# One by one: the name on the disk is the name given, to the byte; and back. The first file is empty.
n=0
cd "$SCRATCH/odd"
for name in "${odd[@]}"; do
    noise $((n * 7)) $((n + 1)) >"./$name"
    n=$((n + 1))
    expect_status 0 "$FORKFTP" put "$URL/odd/" -- "./$name"
    same "./$name" "$LIBRARY/odd/$name"
    expect_status 0 "$FORKFTP" get "$URL/odd" -o "$SCRATCH/back/one" -- "$name"
    same "./$name" "$SCRATCH/back/one"
    rm "$SCRATCH/back/one"
done

# As a tree: both ways, with folders; an empty one comes along when it is got, a put makes folders for what is in them.
mkdir -p "deep/er/and deeper/$long"
noise 70000 99 >"deep/er/and deeper/$long/file"
cd "$SCRATCH"
rm -r "$LIBRARY/odd"
expect_status 0 "$FORKFTP" put -r "$URL/" odd
diff -r "$SCRATCH/odd" "$LIBRARY/odd" >&2 || fail "the tree put is not the tree"
mkdir "$SCRATCH/tree" "$SCRATCH/odd/deep/nothing in it" "$LIBRARY/odd/deep/nothing in it"
expect_status 0 "$FORKFTP" get -r "$URL/" odd -o "$SCRATCH/tree"
diff -r "$SCRATCH/odd" "$SCRATCH/tree/odd" >&2 || fail "the tree got is not the tree"
[ "$("$FORKFTP" list -r --json "$URL/odd" | wc -l)" -eq "$(find "$SCRATCH/odd" -mindepth 1 | wc -l)" ] ||
    fail "the recursive list has not what the folder has"

# What is there but must not be seen: hidden names, control bytes, links, pipes, sockets, devices.
printf 'OUTSIDE' >"$SCRATCH/outside.txt"
mkdir "$LIBRARY/.hidden" "$LIBRARY/plain" "$LIBRARY/"$'new\nline'
printf 'x' >"$LIBRARY/.hidden/file"
printf 'x' >"$LIBRARY/.dot"
printf 'x' >"$LIBRARY/"$'forged\nline'
printf 'x' >"$LIBRARY/"$'esc\e[31m'
ln -s "$SCRATCH/outside.txt" "$LIBRARY/link"
ln -s plain "$LIBRARY/inner-link"
ln -s "$SCRATCH" "$LIBRARY/folder-link"
mkfifo "$LIBRARY/pipe"
python3 -c 'import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$LIBRARY/socket"
[ "$(id -u)" -ne 0 ] || mknod "$LIBRARY/device" c 1 3 || echo "no device can be made here"
before=$(find "$LIBRARY" "$SCRATCH/outside.txt" -not -path '*/.forkftp*' | sort | sha256sum)

PORT=$PORT LIBRARY=$LIBRARY python3 - <<'PYTHON'
from raw import *
with Raw() as c:
    seen = c.listing()
    assert sorted(seen) == ["odd", "plain"], seen
    # Reading: absent, whatever it is.
    for path in ["link", "folder-link/outside.txt", "folder-link/library/odd/-dash", "pipe", "socket", "device",
                 ".dot", ".hidden/file", ".forkftp", ".forkftp/stage", ".hidden"]:
        c.send(frame("G", {"path": path}))
        c.expect_code("not-found")
        c.send(frame("L", {"path": path}))
        c.expect_code("not-found", "not-folder")
    # Writing over them, into them or through them: refused, with and without overwriting.
    for overwrite in (False, True):
        for path, codes in [("link", ()), ("inner-link", ()), ("pipe", ()), ("socket", ()), ("folder-link/new", ()),
                            (".new", ("name",)), (".dot", ("name",)), (".hidden/new", ("name",)),
                            ("plain/.new", ("name",)), (".forkftp/stage/new", ("name",)), ("plain", ("is-folder", "exists")),
                            ("link/new", ()), ("pipe/new", ())]:
            for parents in (False, True):
                c.send(put_frames(path.encode(), b"EVIL", overwrite=overwrite, parents=parents))
                c.expect_code(*codes or ("exists", "denied", "not-found", "not-folder"))
    # Names that cannot be.
    for path in ["..", "../evil", "a/..", "plain/../evil", "/etc/passwd", "/", "plain/", "plain//x", ".", "./x", "plain/./x",
                 "a%00b", "a%0Ab", "a\u0000b", "a\nFORGED", "a%1Bb", "a%7Fb", "a\u007fb", "a\rb", "%2E%2E/evil", "..%2Fevil",
                 "n" * 256, "plain/" + "n" * 256, "%FF" * 256, "/".join(["abcdefg"] * 513)]:
        put = frame("P", {"path": path, "digest": "sha256"}) + frame("D", b"EVIL") + frame("Z", {"size": 4, "digest": "00" * 32})
        for request in frame("G", {"path": path}), frame("L", {"path": path}), put:
            c.send(request)
            c.expect_code("name")
    # A broken escape is no name, and no reason to hang up.
    for path in ["%", "100%", "%4", "%zz", "a%-1"]:
        c.send(frame("G", {"path": path}))
        c.expect_code("name", "request")
    c.alive()
PYTHON

after=$(find "$LIBRARY" "$SCRATCH/outside.txt" -not -path '*/.forkftp*' | sort | sha256sum)
[ "$before" = "$after" ] || fail "something has changed: $(find "$LIBRARY")"
[ "$(cat "$SCRATCH/outside.txt")" = OUTSIDE ] || fail "a put went through a link"
stage_empty || fail "the stage is not empty"

# The client refuses such names, too, and no name forges a line anywhere.
printf 'x' >"$SCRATCH/"$'bad\nFORGED name'
expect_status 6 "$FORKFTP" put "$URL/" -- "$SCRATCH/"$'bad\nFORGED name'
"$FORKFTP" list -r "$URL/" >"$OUT"
! grep -E '^(FORGED|line|EVIL)' "$LOG" "$OUT" "$ERR" || fail "a name has forged a line"
stop
