#!/bin/sh
# Starts vsftpd in the foreground, for clients on loopback: the one on this machine, or else Debian's package. Its one user, who
# may do everything in the library, logs in by a password, by way of PAM's pam_unix. The user is known to vsftpd alone: the
# files that say so are mounted over those of the machine where no other process sees them. Needs root.
# usage: vsftpd.sh fetch PACKAGE-FOLDER
#        vsftpd.sh plain|tls PACKAGE-FOLDER SCRATCH-FOLDER PORT LIBRARY USER HASH-OF-PASSWORD CERTIFICATE KEY
set -eu
# shellcheck source=tests/bench/peers/package.sh
. "$(dirname "$0")/package.sh"
way=$1 package=$2

[ "$(id -u)" = 0 ] || { echo "vsftpd needs root to serve users" >&2; exit 1; }
if ! program=$(command -v vsftpd); then
    program=$package/usr/sbin/vsftpd
    package "$package" vsftpd
fi
[ "$way" != fetch ] || exit 0
scratch=$3 port=$4 library=$5 login=$6 hash=$7 certificate=$8 key=$9
tls=NO
[ "$way" = plain ] || tls=YES

mkdir -p "$scratch/empty"
cat > "$scratch/conf" <<CONF
listen=YES
listen_address=127.0.0.1
listen_port=$port
background=NO
anonymous_enable=NO
local_enable=YES
write_enable=YES
chroot_local_user=YES
allow_writeable_chroot=YES
nopriv_user=nobody
secure_chroot_dir=$scratch/empty
xferlog_enable=NO
dirmessage_enable=NO
connect_from_port_20=NO
max_clients=0
max_per_ip=0
accept_timeout=5
seccomp_sandbox=NO
pam_service_name=forkftp-bench
ssl_enable=$tls
ssl_ciphers=HIGH
force_local_data_ssl=NO
force_local_logins_ssl=NO
rsa_cert_file=$certificate
rsa_private_key_file=$key
CONF

(umask 077 && cp /etc/shadow "$scratch/shadow")
cp /etc/passwd "$scratch/passwd"
# Nobody owns the library too, so that the user may go there.
echo "$login:x:$(id -u nobody):$(id -g nobody)::$library:/bin/sh" >> "$scratch/passwd"
echo "$login:$hash:19000:0:99999:7:::" >> "$scratch/shadow"
mkdir -p "$scratch/pam.d"
printf '%s\n' 'auth required pam_unix.so nodelay' 'account required pam_unix.so' > "$scratch/pam.d/forkftp-bench"
# Programs started with this keep the number of the process. What stands in quotes is for the inner shell.
# shellcheck disable=SC2016
exec unshare --mount sh -euc '
    mount --bind "$1/passwd" /etc/passwd
    mount --bind "$1/shadow" /etc/shadow
    mount --bind "$1/pam.d" /etc/pam.d
    exec "$2" "$1/conf"
' sh "$scratch" "$program"
