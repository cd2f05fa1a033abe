#!/usr/bin/env bash
# The page "Moving from vsftpd in a weekend", typed as it stands by the administrator of a machine where Debian's vsftpd serves: each of its commands, in
# their order, out of the package itself; and after each section whether it brought what the page says.
. "$(dirname "$0")/lib.sh"

tests=$PWD
export PASSWORD='correct horse 42'

# A Debian as it is before that weekend. The administrator has no password to give sudo, and is asked nothing by apt.
echo 'deb [trusted=yes] file:/opt/share/debian ./' >/etc/apt/sources.list
rm -f /etc/apt/sources.list.d/*
printf 'APT::Get::Assume-Yes "true";\nAPT::Install-Recommends "false";\nAPT::Sandbox::User "root";\n' >/etc/apt/apt.conf.d/90test
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install sudo tzdata netbase iproute2 vsftpd ssl-cert nftables fail2ban >"$SCRATCH/apt" 2>&1 || fail "$(tail -n 20 "$SCRATCH/apt")"
echo "127.0.0.1 $(hostname)" >>/etc/hosts
useradd -m -s /bin/bash admin
echo 'admin ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/admin
cp /opt/share/forkftp_*.deb /home/admin/
dpkg-deb --fsys-tarfile /opt/share/forkftp_*.deb | tar -xO ./usr/share/doc/forkftp/moving-from-vsftpd.md >"$SCRATCH/page.md"

# Somebody who came with Debian 12, by yescrypt; somebody from before, by SHA-512; and somebody who has no password.
for user in alice bob carol; do useradd -M -d "/srv/ftp/$user" -s /bin/bash $user; done
echo "alice:$PASSWORD" | chpasswd -c YESCRYPT
echo "bob:$PASSWORD" | chpasswd -c SHA512
[ "$(grep -Ec '^(alice:[$]y[$]|bob:[$]6[$]|carol:!)' /etc/shadow)" = 3 ] || fail "$(cat /etc/shadow)"
cat >>/etc/vsftpd.conf <<'CONF'
anonymous_enable=NO
local_enable=YES
write_enable=YES
local_umask=022
chroot_local_user=YES
allow_writeable_chroot=YES
user_sub_token=$USER
local_root=/srv/ftp/$USER
ssl_enable=YES
dual_log_enable=YES
pasv_min_port=50000
pasv_max_port=50999
max_clients=400
tcp_wrappers=YES
CONF
grep -q '^rsa_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem' /etc/vsftpd.conf || fail "Debian's vsftpd has another certificate: $(cat /etc/vsftpd.conf)"
for user in alice bob carol; do
  install -d -o $user -g $user /srv/ftp/$user /srv/ftp/$user/2026
  echo "a report by $user" >"/srv/ftp/$user/report.txt"
  head -c 3000000 /dev/urandom >"/srv/ftp/$user/2026/Größe & more.bin"
  chown -R $user:$user /srv/ftp/$user
done
# Bob's home is as a vsftpd wants it that is not told allow_writeable_chroot.
chown root:root /srv/ftp/bob
chmod 555 /srv/ftp/bob
systemctl restart vsftpd

# A log in another zone than fail2ban's bans nobody.
ln -sf /usr/share/zoneinfo/Asia/Kolkata /etc/localtime
# The world is another network namespace, with two addresses; a firewall keeps it out until Sunday.
ip netns add world
ip link add here type veth peer name there netns world
ip addr add 192.0.2.1/24 dev here
ip link set here up
ip netns exec world ip link set lo up
ip netns exec world ip addr add 192.0.2.2/24 dev there
ip netns exec world ip addr add 192.0.2.3/24 dev there
ip netns exec world ip link set there up
cat >/etc/nftables.conf <<'NFT'
flush ruleset
table inet filter {
  chain input {
    type filter hook input priority filter; policy drop;
    iif lo accept
    ct state established,related accept
  }
}
NFT
systemctl start nftables
# As who has nftables and no syslog sets up fail2ban; its own jail is for an sshd that is not here.
printf '[DEFAULT]\nbanaction = nftables\nbackend = systemd\n[sshd]\nenabled = false\n' >/etc/fail2ban/jail.d/here.local
systemctl restart fail2ban

# typed HEADING [COMMAND STATUS]...: types the section. Each of its commands has to end with status 0, but those that begin like COMMAND.
typed=()
typed() {
  typed+=("$1")
  said=$SCRATCH/said
  : >"$SCRATCH/failed" && chmod 666 "$SCRATCH/failed"
  chmod 711 "$SCRATCH"
  python3 "$tests/typist.py" "$SCRATCH/page.md" "$1" admin "$SCRATCH/failed" >"$said" 2>&1 || fail "$1: $(cat "$said")"
  local heading=$1 status command
  shift
  while read -r status command; do
    if [ $# = 0 ] || [ "$status" != "$2" ] || [[ $command != "$1"* ]]; then
      fail "$heading: '$command' ended with $status: $(cat "$said")"
    fi
    shift 2
  done <"$SCRATCH/failed"
  [ $# = 0 ] || fail "$heading: '$1' did not end with $2: $(cat "$said")"
}
# by USER PORT CURL-ARGUMENT...: over loopback, with TLS, by the name and password of before.
by() {
  local user=$1 port=$2
  shift 2
  curl -sS -m 20 -k --ssl-reqd -u "$user:$PASSWORD" "${@/#:\//ftp://127.0.0.1:$port/}"
}
from_world() { ip netns exec world curl -sS -m "$1" -k --ssl-reqd -u "alice:${AS:-$PASSWORD}" "${@:2}"; }
refused() { ! "$@" >"$SCRATCH/refused" 2>&1; }
as_it_was() { (cd /srv/ftp && find alice bob carol -exec stat -c '%U:%G %n %a %s %Y' {} + | sort); }

by alice 21 -o /dev/null :/report.txt || fail "the vsftpd of this test does not serve"
before=$(as_it_was)
done_with "a machine with vsftpd"

typed "Friday, 17:00. Install"
has "$said" '^configuration ok'
has "$said" 'active \(running\)'
command -v rsync lftp >/dev/null || fail "not installed: $(cat "$said")"
done_with install

typed "Saturday, 9:00. Import"
cp "$said" "$SCRATCH/import"
has "$said" '^! /etc/vsftpd.conf:[0-9]+: tcp_wrappers=YES'
has "$said" '^  /etc/shadow:[0-9]+: alice$'
# The administrator sees what stands in the file; and the status.
cmp <(cat /root/import.txt) <(cat "$said") || fail "import.txt is something else: $(cat /root/import.txt)"
status=0
forkftpd import vsftpd /etc/vsftpd.conf --passwords /etc/shadow --to "$SCRATCH/again" >"$SCRATCH/again.txt" || status=$?
[ $status = 3 ] || fail "the import ended with $status"
for file in forkftpd.toml users.toml; do cmp "$SCRATCH/again/$file" /root/import/$file || fail "$file is not the same the second time"; done
[ "$(sed -n 's/^\[users\.\(.*\)\]$/\1/p' /root/import/users.toml | sort | xargs)" = "alice bob" ] || fail "users: $(cat /root/import/users.toml)"
by alice 21 -o /dev/null :/report.txt || fail "vsftpd does not serve any more"
done_with import

typed "Saturday, 10:00. The files, and the configuration"
[ "$(find /srv/forkftp ! -user forkftp | wc -l)" = 0 ] || fail "not forkftp's: $(find /srv/forkftp ! -user forkftp)"
[ "$(mode /var/lib/forkftp/users.toml)" = "600 forkftp" ] || fail "users: $(ls -l /var/lib/forkftp)"
[ "$(as_it_was)" = "$before" ] || fail "the old files changed: $(as_it_was)"
done_with "files and configuration"

typed "Saturday, 11:00. TLS"
[ "$(mode /etc/forkftp/tls.key)" = "600 root" ] || fail "key: $(ls -l /etc/forkftp)"
done_with TLS

typed "Saturday, 12:00. Run it beside the old one"
has "$said" '^configuration ok'
has "$said" ' 0 warnings, 0 errors$'
[ "$(stat -c %U "/proc/$(systemctl show -P MainPID forkftpd)")" = forkftp ] || fail "the service is $(ps aux)"
# Where the package has its users file no hash is replaced; the doctor says so.
install -o forkftp -g forkftp -m 600 /root/import/users.toml /etc/forkftp/users.toml
status=0
forkftpd doctor --users-file /etc/forkftp/users.toml >"$SCRATCH/doctor" || status=$?
[ $status = 3 ] || fail "the doctor ended with $status: $(cat "$SCRATCH/doctor")"
has "$SCRATCH/doctor" 'may not write to /etc/forkftp: passwords that another server hashed \(2\)'
by bob 2121 :/report.txt >"$SCRATCH/got" || fail "bob's password is not what it was"
cmp "$SCRATCH/got" /srv/ftp/bob/report.txt
replaced() { sed -n "/^\[users\.$1\]/,/^\$/p" /var/lib/forkftp/users.toml | grep '^password = "SCRAM-SHA-256'; }
wait_for 10 replaced bob
refused replaced alice || fail "alice's password was replaced before she came"
refused by carol 2121 :/ || fail "carol came in without a password"
done_with "beside the old one"

typed "Saturday, 14:00. Compare"
has "$said" '^the same$'
[ "$(find /home/admin/new -type f | wc -l)" = 2 ] || fail "mirrored: $(find /home/admin)"
cmp /srv/forkftp/alice/services /etc/services
[ "$(mode /srv/forkftp/alice/services)" = "644 forkftp" ] || fail "not by the old umask: $(ls -l /srv/forkftp/alice)"
has /var/log/forkftp/xferlog ' /services b _ i r alice ftp '
has "$said" '^[0-9-]{10}.* alice .*services'
wait_for 10 replaced alice
truncate -s 50M /srv/forkftp/alice/large
chown forkftp: /srv/forkftp/alice/large
curl -sS -k --ssl-reqd -u "alice:$PASSWORD" --limit-rate 4M -o "$SCRATCH/large" ftp://127.0.0.1:2121/large &
transfer=$!
busy() { sudo -u admin sudo forkftpd who | grep -E ' alice +busy'; }
wait_for 10 busy
kill $transfer
rm /srv/forkftp/alice/large
[ "$(as_it_was)" = "$before" ] || fail "the old files changed: $(as_it_was)"
refused from_world 2 ftp://192.0.2.1:2121/ || fail "the firewall of this test keeps nobody out"
done_with compare

typed "Sunday, 10:00. Firewall and passive ports"
from_world 10 -o "$SCRATCH/got" ftp://192.0.2.1/report.txt || fail "not open: $(nft list ruleset)"
done_with firewall

typed "Sunday, 11:00. fail2ban"
wait_for 20 fail2ban-client status forkftp
done_with fail2ban

echo "since Saturday" | by alice 21 -T - :/late.txt
typed "Sunday, 20:00. Switch"
has "$said" '^configuration ok'
has "$said" ' report\.txt$'
has "$said" ' late\.txt$'
[ "$(systemctl is-active vsftpd || true) $(systemctl is-enabled vsftpd 2>/dev/null || true)" = "inactive disabled" ] || fail "vsftpd: $(systemctl status vsftpd)"
from_world 10 ftp://192.0.2.1/late.txt | cmp - /srv/ftp/alice/late.txt
echo "from outside" | from_world 10 --ftp-create-dirs -T - ftp://192.0.2.1/autumn/new.txt
echo "a better report" | from_world 10 -T - ftp://192.0.2.1/report.txt
[ "$(cat /srv/forkftp/alice/autumn/new.txt /srv/forkftp/alice/report.txt)" = "from outside
a better report" ] || fail "uploads after the switch: $(ls -lR /srv/forkftp/alice)"
done_with switch

# Somebody at the other address guesses.
for _ in 1 2 3 4 5; do AS=wrong refused from_world 20 --interface 192.0.2.3 ftp://192.0.2.1/ || fail "a wrong password is taken"; done
banned() { fail2ban-client status forkftp | grep -E 'Banned IP list:.*192\.0\.2\.3$' && nft list ruleset | grep -F 192.0.2.3; }
wait_for 30 banned
refused from_world 5 --interface 192.0.2.3 ftp://192.0.2.1/ || fail "a banned address came in: $(nft list ruleset)"
has "$SCRATCH/refused" 'connect'
from_world 10 -o /dev/null ftp://192.0.2.1/report.txt || fail "the ban is for all"
done_with "a ban by fail2ban"

typed "The way back"
[ "$(systemctl is-active forkftpd forkftpd-ftp.socket | sort -u)" = inactive ] || fail "forkftpd: $(systemctl status 'forkftpd*')"
[ "$(by alice 21 :/autumn/new.txt :/report.txt :/services | cat)" = "$(printf 'from outside\na better report\n' && cat /etc/services)" ] || fail "vsftpd serves something else"
[ -z "$(as_it_was | grep -Ev '^(alice:alice alice[/ ]|bob:bob bob/|root:root bob 555|carol:carol carol[/ ])' || true)" ] || fail "owners: $(as_it_was)"
echo "after all" | by alice 21 -T - :/autumn/new.txt || fail "alice cannot write to what came meanwhile"
done_with "the way back"

[ "$(printf '%s\n' "${typed[@]}")" = "$(python3 "$tests/typist.py" "$SCRATCH/page.md")" ] || fail "the page has commands that nobody typed here"
