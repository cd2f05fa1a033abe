#!/usr/bin/env bash
# Named commands run behind the walls of the service: as its user, who becomes nobody else, and with its folders alone to write to. What
# was done stands in the ledger.
. "$(dirname "$0")/lib.sh"

plainly 'ledger_file = "/var/lib/forkftp/ledger.jsonl"' 'users_file = "/etc/forkftp/users.toml"'
cat >/usr/local/bin/look <<'END'
#!/bin/sh
echo "user $(id -un) $FORKFTP_USER"
grep -E '^(NoNewPrivs|CapBnd|CapEff):' /proc/self/status
for folder in /etc /usr /home /root /var/log/forkftp /var/lib/forkftp /srv/forkftp; do
    if (: >"$folder/made") 2>/dev/null; then echo "writes $folder"; fi
done
ls -A /home /root 2>&1 | grep -c denied
ls -A /tmp
END
chmod 755 /usr/local/bin/look
sed -i '/systemd:drive/a login = "required"' "$CONFIG"
cat >>"$CONFIG" <<'END'
[[command]]
name = "look"
run = ["/usr/local/bin/look"]
[[command]]
name = "hang"
run = ["/bin/sleep", "1000"]
END
umask 077
echo 'correct horse' >"$SCRATCH/password"
forkftpd user remove bob >/dev/null 2>&1 || true
forkftpd user add bob --rights all --commands look,hang --password-stdin <"$SCRATCH/password"
export FORKFTP_PASSWORD_FILE=$SCRATCH/password
touch /tmp/of-the-machine
start
forkftp run drive://bob@127.0.0.1 look >"$SCRATCH/looked" || fail "it does not run: $(cat "$SCRATCH/looked")"
cat >"$SCRATCH/expected" <<'END'
user forkftp bob
CapEff:	0000000000000000
CapBnd:	0000000000000000
NoNewPrivs:	1
writes /var/log/forkftp
writes /var/lib/forkftp
writes /srv/forkftp
2
END
diff "$SCRATCH/expected" "$SCRATCH/looked" || fail "a command finds something else"

# One that hangs is ended with the service, and holds it up no longer than others may.
in_background forkftp run drive://bob@127.0.0.1 hang 2>"$SCRATCH/hang.err"
hangs() { named sleep | grep -q .; }
wait_for 10 hangs
head -c 100000 /dev/urandom >"$SCRATCH/file"
forkftp put --quiet drive://bob@127.0.0.1/kept "$SCRATCH/file"
systemctl reload "$UNIT"
sed -i '/^library/i drain_seconds = 1' "$CONFIG"
reloaded() { [ "$(journal | grep -c 'configuration reloaded')" -ge "$1" ]; }
wait_for 10 reloaded 1
systemctl reload "$UNIT"
wait_for 10 reloaded 2
systemctl stop "${SOCKETS[@]}" "$UNIT" 2>/dev/null
wait_for 10 nobody_left
is Result success
grep -q '"deed":"upload","outcome":"ok".*"user":"bob","face":"drive".*"path":"kept"' /var/lib/forkftp/ledger.jsonl ||
    fail "not in the ledger: $(cat /var/lib/forkftp/ledger.jsonl)"
[ "$(stat -c '%U %a' /var/lib/forkftp)" = "forkftp 700" ] || fail "the ledger is not shut in"
rm -f /tmp/of-the-machine
