#!/usr/bin/env bash
# Files beyond 2 GiB, one dense and one full of holes, arrive as they are, both ways.
. "$(dirname "$0")/lib.sh"

size=$((2 * 1024 * 1024 * 1024 + 4099))
free=$(df --output=avail -B1 "$SCRATCH" | tail -n 1)
[ "$free" -gt $((4 * size)) ] || skip "needs $((4 * size >> 30)) GiB in $SCRATCH"
serve --durability none

noise $size 7 >"$SCRATCH/dense"
expect_status 0 "$FORKFTP" put "$URL/dense" "$SCRATCH/dense" --quiet
same "$SCRATCH/dense" "$LIBRARY/dense"
rm "$SCRATCH/dense"
expect_status 0 "$FORKFTP" get "$URL/dense" -o "$SCRATCH/dense" --quiet
same "$SCRATCH/dense" "$LIBRARY/dense"
rm "$SCRATCH/dense" "$LIBRARY/dense"

truncate -s $size "$SCRATCH/holes"
printf 'the end' | dd of="$SCRATCH/holes" bs=1 seek=$((size - 7)) conv=notrunc status=none
expect_status 0 "$FORKFTP" put "$URL/holes" "$SCRATCH/holes" --quiet
same "$SCRATCH/holes" "$LIBRARY/holes"
rm "$LIBRARY/holes"
mv "$SCRATCH/holes" "$LIBRARY/holes"
expect_status 0 "$FORKFTP" get "$URL/holes" -o "$SCRATCH/holes" --quiet
same "$SCRATCH/holes" "$LIBRARY/holes"
stop
