#!/bin/sh
# Starts pure-ftpd in the foreground, for clients on loopback: the one on this machine, or else Debian's package. Its one user,
# who may do everything in the library, stands in a database of its own (PureDB). Needs root.
# usage: pure-ftpd.sh fetch PACKAGE-FOLDER
#        pure-ftpd.sh plain|tls|atomic PACKAGE-FOLDER SCRATCH-FOLDER PORT LIBRARY USER HASH-OF-PASSWORD CERTIFICATE KEY
set -eu
# shellcheck source=tests/bench/peers/package.sh
. "$(dirname "$0")/package.sh"
way=$1 package=$2

[ "$(id -u)" = 0 ] || { echo "pure-ftpd needs root to serve users" >&2; exit 1; }
if ! program=$(command -v pure-ftpd); then
    program=$package/usr/sbin/pure-ftpd
    package "$package" pure-ftpd pure-ftpd-common
    PATH=$package/usr/bin:$PATH
fi
[ "$way" != fetch ] || exit 0
scratch=$3 port=$4 library=$5 login=$6 hash=$7 certificate=$8 key=$9

mkdir -p "$scratch"
# Not by `pure-pw useradd`: its argon2id takes as long as it finds right for the machine.
echo "$login:$hash:$(id -u nobody):$(id -g nobody)::$library/./::::::::::::" > "$scratch/passwd"
pure-pw mkdb "$scratch/users" -f "$scratch/passwd"
(umask 077 && cat "$key" "$certificate" > "$scratch/both.pem")
# No names of clients looked up (H), in the folder of the user alone (A), no anonymous clients (E), nothing to syslog (f), and as many
# clients as come (c, C).
set -- -S "127.0.0.1,$port" -l "puredb:$scratch/users" -g "$scratch/pid" -H -A -E -f none -c 10000 -C 10000 -u 1
case $way in
tls) set -- "$@" -Y 1 -2 "$scratch/both.pem" ;;
atomic) set -- "$@" -0 ;;
esac
exec "$program" "$@"
