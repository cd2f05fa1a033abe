#!/usr/bin/env bash
# The package as an administrator meets it. Installed, given a user, tried with curl and our own client, upgraded in the middle of a
# transfer, removed and purged.
. "$(dirname "$0")/lib.sh"

listening() {
  python3 - <<'END'
# Addresses that something listens at, but those of loopback.
for name in ("tcp", "tcp6"):
    for line in list(open("/proc/net/" + name))[1:]:
        address, state = line.split()[1], line.split()[3]
        if state == "0A" and not address.startswith(("0100007F:", "00000000000000000000000001000000:")):
            print(name, address)
END
}

# Installed: it runs, and is there for nobody else.
[ -z "$(listening)" ] || fail "something listens before: $(listening)"
dpkg -i /opt/share/old.deb >"$SCRATCH/install" 2>&1 || fail "$(cat "$SCRATCH/install")"
wait_for 20 systemctl is-active forkftpd.service
systemctl is-enabled --quiet forkftpd.service || fail "not enabled"
for socket in forkftpd.socket forkftpd-ftp.socket forkftpd-http.socket; do
  [ "$(systemctl is-enabled $socket || true)" = disabled ] || fail "$socket is $(systemctl is-enabled $socket || true)"
done
[ -z "$(listening)" ] || fail "open to the world: $(listening)"
[ "$(mode /etc/forkftp/secret) $(mode /etc/forkftp/tls.key)" = "600 root 600 root" ] || fail "secrets: $(ls -l /etc/forkftp)"
[ "$(mode /etc/forkftp/users.toml)" = "600 forkftp" ] || fail "users: $(ls -l /etc/forkftp)"
forkftpd check >"$SCRATCH/check" || fail "check refuses what was installed"
! grep WARNING "$SCRATCH/check" || fail "a warning about what was installed"
done_with install

# A user, as the configuration says it at its top.
install -d -o forkftp -g forkftp /srv/forkftp/alice
(umask 077 && echo 'a good password' >"$SCRATCH/password")
forkftpd user add alice --rights all --home alice --password-stdin <"$SCRATCH/password" >"$SCRATCH/user"
[ "$(mode /etc/forkftp/users.toml)" = "600 forkftp" ] || fail "users after user add: $(ls -l /etc/forkftp)"
systemctl reload forkftpd.service
alice=(-sS -u "alice:$(cat "$SCRATCH/password")")
head -c 300000 /dev/urandom >"$SCRATCH/file"
curl "${alice[@]}" -T "$SCRATCH/file" http://127.0.0.1:8080/by-http >"$SCRATCH/said"
has "$SCRATCH/said" '^stored: 300000 bytes sha256='
curl "${alice[@]}" -k --ssl-reqd -T "$SCRATCH/file" ftp://127.0.0.1:2121/by-ftp
export FORKFTP_SECRET_FILE=/etc/forkftp/secret FORKFTP_PASSWORD_FILE=$SCRATCH/password HOME=$SCRATCH
forkftp put drives://alice@127.0.0.1/by-drive "$SCRATCH/file" >/dev/null 2>"$SCRATCH/said" || fail "put: $(cat "$SCRATCH/said")"
for face in http ftp drive; do
  cmp "$SCRATCH/file" /srv/forkftp/alice/by-$face || fail "by $face: $(ls -l /srv/forkftp/alice)"
done
done_with "an upload by each protocol"

# Who is there: a transfer that takes its time, and goes on while the package is upgraded under it.
truncate -s 100M /srv/forkftp/alice/large
chown forkftp:forkftp /srv/forkftp/alice/large
curl "${alice[@]}" --limit-rate 8M -o "$SCRATCH/large" http://127.0.0.1:8080/large &
transfer=$!
busy() { forkftpd who | grep -E ' alice +busy'; }
wait_for 10 busy
done_with who
if forkftpd help receipts >/dev/null 2>&1; then
  forkftpd receipts list >"$SCRATCH/receipts"
  for face in http ftp drive; do has "$SCRATCH/receipts" "by-$face"; done
  forkftpd receipts verify >"$SCRATCH/verify" || fail "receipts verify: $(cat "$SCRATCH/verify")"
  done_with receipts
fi
if forkftpd help stats >/dev/null 2>&1; then
  forkftpd stats --by user >"$SCRATCH/stats"
  has "$SCRATCH/stats" alice
  done_with stats
fi

before=$(systemctl show -P MainPID forkftpd.service)
echo '# mine' >>/etc/forkftp/forkftpd.toml
dpkg -i /opt/share/new.deb >"$SCRATCH/upgrade" 2>&1 || fail "$(cat "$SCRATCH/upgrade")"
kill -0 $transfer || fail "the transfer was over before the upgrade was: it proves nothing"
wait_for 20 systemctl is-active forkftpd.service
[ "$(systemctl show -P MainPID forkftpd.service)" != "$before" ] || fail "the old program serves"
has /etc/forkftp/forkftpd.toml '^# mine'
curl "${alice[@]}" http://127.0.0.1:8080/by-ftp | cmp - "$SCRATCH/file" || fail "the new program does not serve"
wait $transfer || fail "the upgrade cut a transfer"
cmp "$SCRATCH/large" /srv/forkftp/alice/large || fail "what came over the upgrade is not what was there"
done_with upgrade

dpkg -r forkftp >"$SCRATCH/remove" 2>&1 || fail "$(cat "$SCRATCH/remove")"
! systemctl is-active --quiet forkftpd.service || fail "it still runs"
! pgrep_forkftpd=$(grep -ls '^forkftpd' /proc/[0-9]*/comm) || fail "left over: $pgrep_forkftpd"
[ ! -e /usr/sbin/forkftpd ] || fail "the program did not go"
for stays in /etc/forkftp/users.toml /srv/forkftp/alice/by-ftp; do [ -e $stays ] || fail "$stays went, too"; done
done_with remove

dpkg -P forkftp >"$SCRATCH/purge" 2>&1 || fail "$(cat "$SCRATCH/purge")"
for gone in /etc/forkftp /var/lib/forkftp /var/log/forkftp /etc/logrotate.d/forkftp; do
  [ ! -e $gone ] || fail "$gone is there after a purge: $(ls -lR $gone)"
done
links=$(find /etc/systemd/system -name 'forkftpd*')
[ -z "$links" ] || fail "left over: $links"
cmp "$SCRATCH/file" /srv/forkftp/alice/by-ftp || fail "the library did not stay"
done_with purge
