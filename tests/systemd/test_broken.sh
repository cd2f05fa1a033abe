#!/usr/bin/env bash
# What is wrong with the configuration, or with what it names, fails the start, and is in the journal with its place.
. "$(dirname "$0")/lib.sh"

refuses() { # a pattern of what is said
    systemctl reset-failed "$UNIT" 2>/dev/null || true
    if systemctl start "$UNIT" 2>"$SCRATCH/said"; then fail "it starts"; fi
    wait_for 5 logged "$1"
    systemctl stop "$UNIT" 2>/dev/null
}
afresh
systemctl start "${SOCKETS[@]}"
echo 'max_clients = "many"' >>"$CONFIG"
refuses "forkftpd: $CONFIG:[0-9]+: .*max_clients|forkftpd: $CONFIG:$(wc -l <"$CONFIG"): "

cp /opt/tests/systemd/forkftpd.toml "$CONFIG"
# The word "missing" that the unit has in their places is no key and no secret.
mv /etc/forkftp/tls.key "$SCRATCH/"
refuses 'forkftpd: .*tls.key.*no private key'
mv "$SCRATCH/tls.key" /etc/forkftp/
mv /etc/forkftp/secret "$SCRATCH/"
refuses 'forkftpd: secret .*secret new'
mv "$SCRATCH/secret" /etc/forkftp/

drop_in "$UNIT" <<'END'
[Service]
ReadWritePaths=
END
systemctl daemon-reload
refuses 'library /srv/forkftp: .*ReadWritePaths='
rm -r "/etc/systemd/system/$UNIT.d"
systemctl daemon-reload

# Mended, it starts.
systemctl reset-failed "$UNIT" 2>/dev/null || true
start
is ActiveState active
