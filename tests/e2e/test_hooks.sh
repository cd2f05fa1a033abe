#!/usr/bin/env bash
# Drop boxes and hooks with real clients: what is put by curl is told to the hook; a full disk of the spool refuses the upload, and nothing shows;
# what is too old goes from a drop box at the next start.
if [ -z "${OWN_MOUNTS:-}" ] && [ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null; then
    OWN_MOUNTS=1 exec unshare -m bash "$0" # the small disk goes when we go
fi
. "$(dirname "$0")/lib.sh"
need_client curl faketime jq

TOLD=$SCRATCH/told
SPOOL=$SCRATCH/state/spool
mkdir -p "$TOLD" "$SCRATCH/state"
chmod 777 "$TOLD"
cat >"$SCRATCH/hook" <<'HOOK'
#!/bin/sh
cat >>"$1/records"
HOOK
chmod 755 "$SCRATCH/hook"
as=
who=()
if [ "$(id -u)" -eq 0 ]; then
    as='user = "nobody"' who=(--user nobody)
fi
config <<END
library = "$LIBRARY"
users_file = "$SCRATCH/users.toml"
spool_folder = "$SPOOL"
ledger_file = "$SCRATCH/ledger.jsonl"
[[drop_box]]
path = "in/scans"
mode = "0640"
expire_hours = 1000
hook = "note"
[[hook]]
name = "note"
run = ["$SCRATCH/hook", "$TOLD"]
$as
[[listen]]
address = "127.0.0.1:0"
protocol = "ftp"
tls = "off"
[[listen]]
address = "127.0.0.1:0"
protocol = "http"
tls = "off"
END
(umask 077 && echo 'correct horse' >"$SCRATCH/password")
"$FORKFTPD" user --config "$SCRATCH/forkftpd.toml" add scanner --rights list,get,put --iterations 4096 --password-stdin \
    <"$SCRATCH/password" >"$OUT"
small=
if [ -n "${OWN_MOUNTS:-}" ] && mount -t tmpfs -o size=128k,mode=755 none "$SCRATCH/state"; then
    UNDO+=("umount -l '$SCRATCH/state'")
    small=1
fi
launch serve --config "$SCRATCH/forkftpd.toml"
FTP=ftp://127.0.0.1:$(port_of ftp)
HTTP=http://127.0.0.1:$(port_of http)
noise 3000 5 >"$SCRATCH/scan.pdf"
by_ftp() { curl -sS --user 'scanner:correct horse' -T "$SCRATCH/scan.pdf" "$FTP/in/scans/$1"; }
by_http() { curl -sS -o "$OUT" -w '%{http_code}\n' --user 'scanner:correct horse' -T "$SCRATCH/scan.pdf" "$HTTP/in/scans/$1"; }

by_ftp scan.pdf
by_ftp scan.pdf
[ "$(by_http scan.pdf)" = 201 ] || fail "by HTTP: $(cat "$OUT")"
told() { [ "$(wc -l <"$TOLD/records")" -eq "$1" ]; }
wait_for 10 told 3
digest=$(sum "$SCRATCH/scan.pdf")
for name in scan.pdf scan-1.pdf scan-2.pdf; do
    same "$SCRATCH/scan.pdf" "$LIBRARY/in/scans/$name"
    [ "$(stat -c %a "$LIBRARY/in/scans/$name")" = 640 ] || fail "$name: $(stat -c %a "$LIBRARY/in/scans/$name")"
    jq -es --arg file "$LIBRARY/in/scans/$name" --arg digest "$digest" \
        '[.[] | select(.file == $file) | .sha256 == $digest and .user == "scanner" and .hook == "note"] == [true]' "$TOLD/records" >"$OUT" ||
        fail "$name: $(cat "$TOLD/records")"
done
for what in scan.pdf ''; do
    curl -sS --user 'scanner:correct horse' "$FTP/in/scans/$what" >"$OUT" 2>&1 && fail "sent: $(cat "$OUT")"
done

if [ -n "$small" ]; then
    # What cannot be noted is not stored, and the client is told that it is for want of room.
    head -c 1M /dev/zero >"$SCRATCH/state/filler" 2>/dev/null || true
    curl -sS -v --user 'scanner:correct horse' -T "$SCRATCH/scan.pdf" "$FTP/in/scans/full.pdf" >"$OUT" 2>"$ERR" && fail "stored on a full disk"
    has "$ERR" '< 452'
    [ "$(by_http full.pdf)" = 507 ] || fail "by HTTP: $(cat "$OUT")"
    [ "$(find "$LIBRARY/in/scans" -type f | wc -l)" -eq 3 ] || fail "something shows: $(ls "$LIBRARY/in/scans")"
    rm "$SCRATCH/state/filler"
    by_ftp full.pdf
    wait_for 10 told 4
fi
stage_empty || fail "the stage is not empty"
stop

# Some 43 days later.
[ "$(find "$LIBRARY/in/scans" -type f | wc -l)" -ge 3 ] || fail "files went too early"
echo old >"$LIBRARY/kept"
# A program that is linked statically goes by no clock but the kernel's: then it is the same one as the tests of the crate are made with.
program=$BIN/forkftpd
linked=$(ldd "$program" 2>&1) || true
[[ $linked != *statically* && $linked != *'not a dynamic'* ]] || program=$(realpath "$HERE/../../target/debug/forkftpd")
[ -x "$program" ] || skip "nothing here goes by another clock: cargo build"
printf '#!/bin/sh\nexec faketime -f +43d %s "$@"\n' "$program" >"$SCRATCH/later"
chmod 755 "$SCRATCH/later"
FORKFTPD=$SCRATCH/later
launch serve --config "$SCRATCH/forkftpd.toml" "${who[@]}"
over() { [ -z "$(find "$LIBRARY/in/scans" -type f)" ]; }
wait_for 10 over
has "$LOG" 'expired'
# It is known that they went: nothing is missing.
deleted() { [ "$(grep -c '"deed":"delete","outcome":"ok","path":"in/scans/' "$SCRATCH/ledger.jsonl")" -ge 3 ]; }
wait_for 10 deleted
expect_status 0 "$FORKFTPD" receipts verify --config "$SCRATCH/forkftpd.toml"
[ -e "$LIBRARY/kept" ] || fail "what is in no drop box went, too"
