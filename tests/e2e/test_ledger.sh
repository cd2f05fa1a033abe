#!/usr/bin/env bash
# The ledger on a disk that is full for a while: uploads go on, no line is half a line but where the disk ended, and the gap is said.
if [ -z "${OWN_MOUNTS:-}" ]; then # a mount namespace of our own: the small disk goes when we go
    [ "$(id -u)" -eq 0 ] || { echo "only root has a small disk and somebody to serve"; exit 77; }
    unshare -m true 2>/dev/null || { echo "cannot have mounts of our own"; exit 77; }
    OWN_MOUNTS=1 exec unshare -m bash "$0"
fi
. "$(dirname "$0")/lib.sh"

small=$SCRATCH/small
mkdir "$small"
mount -t tmpfs -o size=64k,mode=755 none "$small" || skip "cannot mount a small disk"
UNDO+=("umount -l '$small'")
ledger=$small/ledger.jsonl
config <<END
library = "$LIBRARY"
secret_file = "$SECRET"
ledger_file = "$ledger"
durability = "none"
[[listen]]
address = "127.0.0.1:0"
END
launch serve --config "$SCRATCH/forkftpd.toml"
noise 100 1 >"$SCRATCH/file"

# Rotated and packed ones are on the same disk: they fill it.
expect_status 0 "$FORKFTP" put "$URL/before" "$SCRATCH/file"
[ "$(wc -l <"$ledger")" -eq 1 ] || fail "no line for the first upload"
dd if=/dev/zero of="$small/ballast" bs=1k status=none 2>/dev/null || true
# What is left of the ledger's own last page takes some lines more, and then none.
for i in $(seq 40); do
    expect_status 0 "$FORKFTP" put "$URL/full$i" "$SCRATCH/file"
done
for i in $(seq 40); do same "$SCRATCH/file" "$LIBRARY/full$i"; done
wait_for 5 grep -q 'the ledger cannot be written' "$LOG"
[ "$(grep -c 'the ledger cannot be written' "$LOG")" -eq 1 ] || fail "it is said again and again"
! grep -q '"lost"' "$ledger" || fail "it was written that lines are lost, and there was room"

# Room again: the gap is written without anybody doing anything.
rm "$small/ballast"
wait_for 5 grep -q '"deed":"lost"' "$ledger"
expect_status 0 "$FORKFTP" put "$URL/after" "$SCRATCH/file"
python3 - "$ledger" <<'PYTHON'
import json, sys
whole, damaged, lost = [], 0, 0
text = open(sys.argv[1]).read()
assert text.endswith("\n")
for line in text.splitlines():
    try:
        line = json.loads(line)
    except ValueError:
        damaged += 1
        continue
    if line["deed"] == "lost":
        lost += line["count"]
    else:
        whole.append(line["path"])
assert damaged <= 1, f"{damaged} damaged lines"
# A line that was cut where the disk ended is counted as lost, too.
assert len(whole) + lost == 42, f"{len(whole)} and {lost} lost"
assert lost > 0 and whole[0] == "before" and whole[-1] == "after"
PYTHON
has "$LOG" 'lines that were lost are counted in it'
expect_status 1 "$FORKFTPD" receipts verify --config "$SCRATCH/forkftpd.toml"
has "$OUT" 'could not be written when they were due'
has "$OUT" '^damaged '

# Receipts of the client's own: kept, compared, and what was altered is found.
expect_status 0 "$FORKFTP" put --receipts "$SCRATCH/receipts" --json "$URL/" "$SCRATCH/file"
id=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])' <"$OUT")
has "$SCRATCH/receipts" "\"id\":\"$id\""
expect_status 0 "$FORKFTPD" receipts list --config "$SCRATCH/forkftpd.toml" --id "$id"
has "$OUT" " $id .* file\$"
expect_status 0 "$FORKFTP" receipt "$URL/file"
has "$OUT" "sha256 *$(sum "$SCRATCH/file")"
expect_status 0 "$FORKFTP" receipt "$URL" --check "$SCRATCH/receipts"
has "$OUT" '^1 file as stored, 0 missing, 0 altered$'
tr '\000-\377' '\001-\377\000' <"$SCRATCH/file" >"$LIBRARY/file"
expect_status 5 "$FORKFTP" receipt "$URL" --check "$SCRATCH/receipts"
has "$OUT" "^/file: altered: another blake3 [(]id ${id}[)]"
rm "$LIBRARY/file"
expect_status 1 "$FORKFTP" receipt "$URL" --check "$SCRATCH/receipts"
has "$OUT" '^/file: missing'
stop
