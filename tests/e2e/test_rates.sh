#!/usr/bin/env bash
# The operator's rates hold for the real client, in each direction and for each session by itself, and what comes is right.
. "$(dirname "$0")/lib.sh"

noise $((2 << 20)) 1 >"$LIBRARY/two"
config <<EOT
library = "$LIBRARY"
secret_file = "$SECRET"
durability = "none"
[[listen]]
address = "127.0.0.1:0"
[anonymous]
rights = ["list", "get", "put"]
download_rate = "1 MiB"
upload_rate = "400 KiB"
EOT
launch serve --config "$SCRATCH/forkftpd.toml"
cd "$SCRATCH"

# milliseconds COMMAND...: how long it takes.
milliseconds() {
    local begin=${EPOCHREALTIME/[.,]/}
    expect_status 0 "$@"
    TOOK=$(((${EPOCHREALTIME/[.,]/} - begin) / 1000))
}
# between LEAST MOST WHAT: an eighth of a second may be saved up, so that the floor is below what the rate says.
between() {
    [ "$TOOK" -ge "$1" ] || fail "$3 took $TOOK ms: too fast"
    [ "$TOOK" -le "$2" ] || fail "$3 took $TOOK ms: too slow"
}

milliseconds "$FORKFTP" get --quiet "$URL/two" -o got
between 1850 6000 "a get of 2 MiB at 1 MiB/s"
same got "$LIBRARY/two"
# The digest is kept now, and the bytes go unread.
milliseconds "$FORKFTP" get --quiet --overwrite "$URL/two" -o got
between 1850 6000 "a second get"
same got "$LIBRARY/two"
# Each session has the rate for itself.
start_in_background "$FORKFTP" get --quiet "$URL/two" -o beside
milliseconds "$FORKFTP" get --quiet --overwrite "$URL/two" -o got
between 1850 6000 "one get of two"
milliseconds wait "$STARTED_PID"
between 0 2000 "the other get, which ran beside it,"
same beside "$LIBRARY/two"

# The kernels hold most of it at once, and the client waits longer for its answer than for anything to move: it does move.
milliseconds "$FORKFTP" put --quiet --timeout 2 "$URL/put" got
between 4900 15000 "a put of 2 MiB at 400 KiB/s"
same got "$LIBRARY/put"
stage_empty || fail "the stage is not empty"
stop
