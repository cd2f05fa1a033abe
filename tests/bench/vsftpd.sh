#!/bin/sh
# Starts vsftpd in the foreground, for clients on loopback: the one on this machine, or else Debian's package, unpacked (not
# installed) into a folder that is kept for the next time. Clients are anonymous; or, where a user is named, this user by a
# password, by way of PAM's pam_unix. The user is known to vsftpd alone: the files that say so are mounted over those of the
# machine where no other process sees them. Needs root.
# usage: vsftpd.sh PACKAGE-FOLDER SCRATCH-FOLDER PORT LIBRARY [USER HASH-OF-PASSWORD]
set -eu
package=$1 scratch=$2 port=$3 library=$4 login=${5-} hash=${6-}

[ "$(id -u)" = 0 ] || { echo "vsftpd needs root to serve anonymous clients" >&2; exit 1; }
if ! program=$(command -v vsftpd); then
    program=$package/usr/sbin/vsftpd
    if [ ! -e "$package/complete" ]; then
        command -v apt-get >/dev/null || { echo "no vsftpd, and no apt-get to fetch it with" >&2; exit 1; }
        mkdir -p "$package"
        # As Debian's user _apt could not write there.
        (cd "$package" && apt-get -q -o APT::Sandbox::User=root download vsftpd libwrap0 libnsl2 libtirpc3 >&2)
        for file in "$package"/*.deb; do dpkg -x "$file" "$package"; done
        touch "$package/complete"
    fi
    LD_LIBRARY_PATH=$(find "$package/usr/lib" "$package/lib" -name '*.so.*' -printf '%h\n' 2>/dev/null | sort -u | paste -sd:)
    export LD_LIBRARY_PATH
fi

# Anonymous clients get the rights of a user who owns nothing here; vsftpd wants to see the home folder.
for user in ftp daemon bin nobody; do
    home=$(getent passwd "$user" | cut -d: -f6)
    [ -z "$home" ] || [ ! -d "$home" ] || break
done

anonymous=YES local=NO
if [ -n "$login" ]; then
    anonymous=NO local=YES
fi

mkdir -p "$scratch/empty"
cat > "$scratch/conf" <<CONF
listen=YES
listen_address=127.0.0.1
listen_port=$port
background=NO
anonymous_enable=$anonymous
local_enable=$local
no_anon_password=NO
anon_root=$library
ftp_username=$user
nopriv_user=nobody
secure_chroot_dir=$scratch/empty
xferlog_enable=NO
dirmessage_enable=NO
connect_from_port_20=NO
max_clients=0
max_per_ip=0
seccomp_sandbox=NO
pam_service_name=forkftp-bench
CONF
[ -n "$login" ] || exec "$program" "$scratch/conf"

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
