#!/usr/bin/env bash
# Debian's own vsftpd.conf, and configurations as common container images make them by their documents, become ours, and what they became is
# served: users log in with the passwords that were hashed there, and a whole script of a real client passes.
if [ -z "${OWN_HOME:-}" ]; then # a /home of our own, which Debian's file serves
    [ "$(id -u)" -eq 0 ] || { echo "only root has a /home of its own and somebody to serve"; exit 77; }
    unshare -m true 2>/dev/null || { echo "cannot have mounts of our own"; exit 77; }
    OWN_HOME=1 exec unshare -m bash "$0"
fi
. "$(dirname "$0")/ftp.sh"
need_client curl tnftp
mount -t tmpfs -o size=64m,mode=755 none /home
hash() { openssl passwd "$@" "$FTP_PASSWORD"; }
HASH=$(hash -6)
noise 100000 1 >big

# import FOLDER ARGUMENT...: nothing that protected is lost, and forkftpd check finds it sound.
import() {
    local folder=$1
    shift
    expect_status 0 "$FORKFTPD" import "$1" --to "$folder" "${@:2}"
    has "$OUT" '^  configuration ok$'
    expect_status 0 "$BIN/forkftpd" check --config "$folder/forkftpd.toml"
}
# curl_at FOLDER CURL-ARGUMENT... PATH: as the user who was imported, from the server that serves it.
curl_at() { curl -sS --max-time 20 -u "$FTP_USER:$FTP_PASSWORD" "${@:1:$#-1}" "ftp://127.0.0.1:$PORT/${*: -1}"; }
# round CURL-ARGUMENT...: put, list, get, rename, remove; and nobody comes in with another password.
round() {
    curl_at "$@" --ftp-create-dirs -T big folder/big
    same big "$LIBRARY/folder/big"
    curl_at "$@" -o got folder/big
    same big got
    curl_at "$@" folder/ >"$OUT"
    has "$OUT" ' 100000 .* big$'
    curl_at "$@" -Q '-RNFR folder/big' -Q '-RNTO folder/moved' '' >"$OUT"
    same big "$LIBRARY/folder/moved"
    curl_at "$@" -Q 'DELE folder/moved' -Q 'RMD folder' '' >"$OUT"
    absent "$LIBRARY/folder"
    local status=0
    curl -sS --max-time 20 -u "$FTP_USER:wrong" "$@" "ftp://127.0.0.1:$PORT/" >"$OUT" 2>&1 || status=$?
    [ "$status" -eq 67 ] || fail "a wrong password: $status"
    has users.toml '^password = "SCRAM-SHA-256' # what was hashed there is ours now
}
# passes FOLDER: curl's round, and a client's whole script, which goes on beside what follows.
declare -A SCRIPTS=()
passes() {
    FTP_IMPORTED=$SCRATCH/$1
    serve_imported
    round
    stop
    start_in_background env FTP_IMPORTED="$FTP_IMPORTED" FORKFTP_BIN_DIR="$BIN" bash "$HERE/test_ftp_clients_tnftp.sh" >"$1.said" 2>&1
    SCRIPTS[$1]=$STARTED_PID
}

# Debian's /etc/vsftpd.conf, what stands in it and is no comment. Its users are those of the machine.
cat >debian.conf <<'END'
listen=NO
listen_ipv6=YES
anonymous_enable=NO
local_enable=YES
dirmessage_enable=YES
use_localtime=YES
xferlog_enable=YES
connect_from_port_20=YES
secure_chroot_dir=/var/run/vsftpd/empty
pam_service_name=vsftpd
rsa_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem
rsa_private_key_file=/etc/ssl/private/ssl-cert-snakeoil.key
ssl_enable=NO
END
printf 'root:*:19000:0:99999:7:::\n%s:%s:19000:0:99999:7:::\n' "$FTP_USER" "$HASH" >shadow
install -d -o nobody "/home/$FTP_USER"
import debian vsftpd debian.conf --passwords shadow
has debian/forkftpd.toml '^library = "/home"$'
has debian/users.toml "^home = \"$FTP_USER\"\$"
# As it is there, it only gives.
FTP_IMPORTED=$SCRATCH/debian
cp big "$LIBRARY/there"
serve_imported
curl_at -o got there
same big got
curl_at '' >"$OUT"
has "$OUT" ' 100000 .* there$'
if curl_at -T big new 2>"$ERR"; then fail "a put without write_enable"; fi
has "$ERR" '55[03]'
absent "$LIBRARY/new"
stop
# With the line that its comment says to take for writing.
sed -i '$a write_enable=YES' debian.conf
import debian-writes vsftpd debian.conf --passwords shadow
passes debian-writes

# fauria/vsftpd: virtual users, each in a folder of their name.
install -d -o nobody "home/vsftpd/$FTP_USER"
cat >fauria.conf <<END
background=NO
anonymous_enable=NO
local_enable=YES
guest_enable=YES
guest_username=nobody
virtual_use_local_privs=YES
user_sub_token=\$USER
local_root=$SCRATCH/home/vsftpd/\$USER
chroot_local_user=YES
allow_writeable_chroot=YES
hide_ids=YES
write_enable=YES
listen=YES
listen_port=21
xferlog_enable=YES
xferlog_std_format=NO
log_ftp_protocol=YES
vsftpd_log_file=$SCRATCH/vsftpd.log
pasv_enable=YES
pasv_min_port=21100
pasv_max_port=21110
pasv_address=127.0.0.1
pasv_addr_resolve=NO
pasv_promiscuous=NO
port_enable=YES
port_promiscuous=NO
file_open_mode=0666
local_umask=077
reverse_lookup_enable=YES
dirlist_enable=YES
seccomp_sandbox=NO
passwd_chroot_enable=YES
END
printf '%s:%s\n' "$FTP_USER" "$HASH" >pw
import fauria vsftpd fauria.conf --passwords pw
has fauria/forkftpd.toml '^passive_ports = "21100-21110"$'
passes fauria

# delfer/alpine-ftp-server: users of the container's own, in folders of their names; with its TLS on.
expect_status 0 "$FORKFTPD" cert new --host localhost --host 127.0.0.1 fullchain.pem privkey.pem
cat >delfer.conf <<END
seccomp_sandbox=NO
anonymous_enable=NO
local_enable=YES
user_sub_token=\$USER
local_root=$SCRATCH/home/ftp/\$USER
write_enable=YES
chroot_local_user=YES
allow_writeable_chroot=YES
local_umask=022
passwd_chroot_enable=yes
listen=YES
listen_ipv6=NO
background=NO
max_clients=10
max_per_ip=5
pasv_enable=YES
pasv_min_port=21000
pasv_max_port=21010
pasv_address=127.0.0.1
ssl_enable=YES
allow_anon_ssl=NO
force_local_data_ssl=YES
force_local_logins_ssl=YES
require_ssl_reuse=NO
rsa_cert_file=$SCRATCH/fullchain.pem
rsa_private_key_file=$SCRATCH/privkey.pem
END
install -d -o nobody "home/ftp/$FTP_USER"
import delfer vsftpd delfer.conf --passwords shadow
FTP_IMPORTED=$SCRATCH/delfer
serve_imported
round --ssl-reqd --cacert fullchain.pem
if curl_at '' >"$OUT" 2>&1; then fail "a login without TLS"; fi
stop

# stilliard/pure-ftpd: flags, and the text of virtual users.
install -d -o nobody "home/ftpusers/$FTP_USER"
printf '%s:%s:1000:1000::%s/home/ftpusers/%s/./::::::::::::\n' "$FTP_USER" "$HASH" "$SCRATCH" "$FTP_USER" >pureftpd.passwd
expect_status 0 "$FORKFTPD" import pure-ftpd --to stilliard -- /usr/sbin/pure-ftpd \
    -l "puredb:$SCRATCH/pureftpd.pdb" -E -j -R -P localhost -p 30000:30009 -c 5 -C 5
expect_status 0 "$BIN/forkftpd" check --config stilliard/forkftpd.toml
passes stilliard

# kibatic/proftpd: a file of users, passive ports and the address that they are told.
install -d -o nobody "home/pro/$FTP_USER"
printf '%s:%s:65534:65534::%s/home/pro/%s:/bin/false\n' "$FTP_USER" "$(hash -5)" "$SCRATCH" "$FTP_USER" >ftpd.passwd
cat >kibatic.conf <<END
ServerName "ProFTPD"
ServerType standalone
DefaultServer on
UseIPv6 off
Port 21
Umask 022
MaxInstances 30
User nobody
Group nogroup
DefaultRoot ~
AllowOverwrite on
RequireValidShell off
AuthOrder mod_auth_file.c
AuthUserFile $SCRATCH/ftpd.passwd
PassivePorts 30010 30019
MasqueradeAddress 127.0.0.1
UseReverseDNS off
TimeoutIdle 1200
TransferLog $SCRATCH/proftpd-transfer.log
SystemLog $SCRATCH/proftpd.log
END
import kibatic proftpd kibatic.conf
passes kibatic

for imported in "${!SCRIPTS[@]}"; do
    wait "${SCRIPTS[$imported]}" || fail "tnftp at what was imported from $imported: $(tail -n 20 "$imported.said")"
done
