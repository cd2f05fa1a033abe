#!/usr/bin/env bash
# Addresses in the configuration itself, without socket units: a restart cuts no transfer, a reload refuses nobody, and a port below 1024
# takes the lines that the unit names, of which only the listener keeps anything.
. "$(dirname "$0")/lib.sh"

plainly
sed -i 's/systemd:drive/127.0.0.1:8888/; s/systemd:ftp/127.0.0.1:21/; s/systemd:http/127.0.0.1:8443/' "$CONFIG"
if systemctl start "$UNIT" 2>"$SCRATCH/said"; then fail "port 21 is anybody's"; fi
wait_for 5 logged '127.0.0.1:21.*Permission denied'
systemctl stop "$UNIT"

# As the head of the unit has it.
{
    echo '[Service]'
    sed -nE 's/^#   ((AmbientCapabilities|CapabilityBoundingSet)=CAP_[A-Z_]+|SystemCallFilter=capset).*/\1/p' /opt/systemd/forkftpd.service
} | drop_in "$UNIT"
[ "$(wc -l <"/etc/systemd/system/$UNIT.d/test.conf")" = 4 ] || fail "the head of the unit says something else"
systemctl daemon-reload
systemctl reset-failed "$UNIT" 2>/dev/null || true
systemctl start "$UNIT"
big $((128 << 20))
begin get http
begin put ftp
begin put drive
wait_for 20 are_in_the_middle
while read -r pid name; do
    case $name in forkftpd:listen) may='0*400' ;; *) may='0*' ;; esac
    grep -Eq "^CapEff:.$may\$" "/proc/$pid/status" || fail "$name: $(grep Cap "/proc/$pid/status")"
done < <(processes)
before=$(main)
systemctl restart "$UNIT"
[ "$(main)" != "$before" ] || fail "it is the same process"
are_in_the_middle || fail "a transfer was cut"
knock
systemctl reload "$UNIT"
install -m 755 /usr/sbin/forkftpd /usr/sbin/forkftpd.new
mv /usr/sbin/forkftpd.new /usr/sbin/forkftpd
systemctl reload "$UNIT"
runs_the_new() { [ "$(stat -Lc %i "/proc/$(main)/exe")" = "$(stat -c %i /usr/sbin/forkftpd)" ]; }
wait_for 20 runs_the_new
doors_answered
let_go
is NRestarts 0
