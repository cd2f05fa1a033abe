#!/usr/bin/env bash
# logrotate, with the configuration that is installed, while transfers run: what they end with stands in the old files or the new, no line
# is lost or there twice, and the commands read all of it.
. "$(dirname "$0")/lib.sh"

LEDGER=/var/lib/forkftp/ledger.jsonl
LOGS=/var/log/forkftp
rm -f "$LOGS"/*
plainly "ledger_file = \"$LEDGER\"" "xferlog = \"$LOGS/xferlog\"" "vsftpd_log = \"$LOGS/vsftpd.log\""
sed -i '/^receipt/c receipt = "sha256"' "$CONFIG"
start
rotate() { logrotate --force /etc/logrotate.d/forkftp; }
# A file that is put, or half of it: it stays, so that receipts find it.
put() { echo "$1" | upload ftp "$1"; }
half() {
    in_background move put "$1" "$2"
    NAMES+=("$2") TRANSFERS+=("$LAST")
}
# How often the file of that name was put, as these files have it.
lines() {
    local name=$1
    shift
    zcat -f "$@" | grep -Ec "[/\"]${name}[\" ]"
}
has() { [ "$(lines "$@")" = 1 ] || { ls -l "$LOGS" "${LEDGER%/*}"; return 1; }; }

big $((48 << 20))
put before
half ftp long
half http short
wait_for 20 are_in_the_middle
wait_for 5 has before "$LEDGER"

# As its timer has it done: by the service of logrotate, because the time has come.
cat >/var/lib/logrotate/status <<END
logrotate state -- version 2
"$LEDGER" 2001-1-1-0:0:0
"$LOGS/xferlog" 2001-1-1-0:0:0
"$LOGS/vsftpd.log" 2001-1-1-0:0:0
END
chmod 640 /var/lib/logrotate/status
systemctl start logrotate.service || fail "$(journalctl -u logrotate.service -n 10 --no-pager -o cat)"
for file in "$LEDGER" "$LOGS/xferlog" "$LOGS/vsftpd.log"; do
    [ "$(stat -c '%U %s' "$file")" = "forkftp 0" ] || fail "not a new file: $(ls -l "$file")"
    has before "$file.1" || fail "not in the old file"
done
put meanwhile
are_in_the_middle || fail "a transfer was cut"
for file in "$LEDGER" "$LOGS/xferlog" "$LOGS/vsftpd.log"; do
    wait_for 5 has meanwhile "$file"
done
# Of a server of before a restart.
systemctl restart "$UNIT"
let_go
for file in "$LOGS/xferlog" "$LOGS/vsftpd.log"; do
    wait_for 5 has long "$file.1"
done
wait_for 5 has short "$LEDGER" "$LEDGER.1"
rotate
put later
for file in "$LEDGER" "$LOGS/xferlog" "$LOGS/vsftpd.log"; do
    for name in before long meanwhile later; do
        wait_for 5 has $name "$file" "$file".*
    done
    [ -e "$file.2.gz" ] || fail "not packed: $(ls "$file"*)"
done

# A configuration that is broken is said there, too, and the server goes on with the old files.
sed -i 's/^rights.*/&oops/' "$CONFIG"
if rotate 2>"$SCRATCH/said"; then fail "nobody says that the reload failed"; fi
put after
wait_for 5 has after "$LEDGER.1"
sed -i 's/oops$//' "$CONFIG"
# Nothing is in the new ones, so that nothing is done to the old ones either.
rotate
has after "$LEDGER.1"
systemctl reload "$UNIT"
put last
wait_for 5 has last "$LEDGER"
forkftpd receipts list >"$SCRATCH/list"
for name in before meanwhile later long short after last; do
    [ "$(grep -cw "$name" "$SCRATCH/list")" = 1 ] || fail "$name: $(cat "$SCRATCH/list")"
done
forkftpd receipts verify >"$SCRATCH/verify" || fail "receipts verify: $(cat "$SCRATCH/verify")"
rm -f "$LOGS"/*
