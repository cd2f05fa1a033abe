#!/bin/sh
# Starts vsftpd in the foreground, for anonymous clients on loopback: the one on this machine, or else Debian's package,
# unpacked (not installed) into a folder that is kept for the next time. Needs root.
# usage: vsftpd.sh PACKAGE-FOLDER SCRATCH-FOLDER PORT LIBRARY
set -eu
package=$1 scratch=$2 port=$3 library=$4

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

mkdir -p "$scratch/empty"
cat > "$scratch/conf" <<CONF
listen=YES
listen_address=127.0.0.1
listen_port=$port
background=NO
anonymous_enable=YES
local_enable=NO
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
CONF
exec "$program" "$scratch/conf"
