#!/usr/bin/env bash
# A full disk refuses the put, before the bytes when their number is known; the session goes on, and nothing is left behind.
if [ -z "${OWN_MOUNTS:-}" ]; then # a mount namespace of our own: the small disk goes when we go
    # Root of a user namespace is not enough: there is nobody there to serve.
    [ "$(id -u)" -eq 0 ] || { echo "only root has a small disk and somebody to serve"; exit 77; }
    unshare -m true 2>/dev/null || { echo "cannot have mounts of our own"; exit 77; }
    OWN_MOUNTS=1 exec unshare -m bash "$0"
fi
. "$(dirname "$0")/lib.sh"

mount -t tmpfs -o size=8m,mode=755 none "$LIBRARY" || skip "cannot mount a small disk"
UNDO+=("umount -l '$LIBRARY'")
noise 5000 3 >"$LIBRARY/small"
noise $((16 << 20)) 4 >"$SCRATCH/large"
config <<END
library = "$LIBRARY"
secret_file = "$SECRET"
keep_free = 0
[[listen]]
address = "127.0.0.1:0"
END
launch serve --config "$SCRATCH/forkftpd.toml"

free() { df --output=avail -B1024 "$LIBRARY" | tail -n 1; }
before=$(free)

# Announced: refused before a byte has been sent. Not announced: midway. Both in one session that goes on.
PORT=$PORT python3 - "$SCRATCH/large" <<'PYTHON'
import sys
from raw import *
large = open(sys.argv[1], "rb").read()
end = frame("Z", {"size": len(large), "digest": hashlib.sha256(large).hexdigest()})
with Raw() as c:
    c.send(frame("P", {"path": "large", "size": len(large), "digest": "sha256"}))
    c.expect_code("no-space")                       # nothing but P has been sent
    c.send(frame("E", {"code": "cancelled", "message": "then not"}))
    assert list(c.listing()) == ["small"]
    c.send(frame("P", {"path": "large", "digest": "sha256"}))
    for at in range(0, len(large), 1 << 20):        # a client that does not look sends all of it
        c.send(frame("D", large[at:at + (1 << 20)]))
    c.send(end)
    c.expect_code("no-space")
    assert list(c.listing()) == ["small"]
    assert len(c.get("small")) == 5000
    c.send(put_frames(b"fits", large[:1000000], size=1000000))
    c.expect("K")
PYTHON
same <(head -c 1000000 "$SCRATCH/large") "$LIBRARY/fits"
rm "$LIBRARY/fits"
stage_empty || fail "the stage is not empty"

expect_status 1 "$FORKFTP" put "$URL/" "$SCRATCH/large"
has "$ERR" 'space'
expect_status 1 "$FORKFTP" put "$URL/stdin" - <"$SCRATCH/large"
has "$ERR" 'space'
[ "$(ls "$LIBRARY")" = small ] || fail "something was left: $(ls "$LIBRARY")"
wait_for 5 no_sessions
stage_empty || fail "the stage is not empty"
rm -rf "$LIBRARY/.forkftp/partial"/*
[ $((before - $(free))) -le 64 ] || fail "space is missing: $before KiB free before, $(free) after"
expect_status 0 "$FORKFTP" put "$URL/again" - <"$LIBRARY/small"
same "$LIBRARY/small" "$LIBRARY/again"
stop
