#!/bin/sh
# Starts ProFTPD in the foreground, for clients on loopback: the one on this machine, or else Debian's package. Its one user, who
# may do everything in the library, stands in a file of its own (AuthUserFile). Needs root.
# usage: proftpd.sh fetch PACKAGE-FOLDER
#        proftpd.sh plain|tls|atomic PACKAGE-FOLDER SCRATCH-FOLDER PORT LIBRARY USER HASH-OF-PASSWORD CERTIFICATE KEY
set -eu
# shellcheck source=tests/bench/peers/package.sh
. "$(dirname "$0")/package.sh"
way=$1 package=$2

[ "$(id -u)" = 0 ] || { echo "ProFTPD needs root to serve users" >&2; exit 1; }
if program=$(command -v proftpd); then
    modules=
else
    program=$package/usr/sbin/proftpd
    modules="ModulePath $package/usr/lib/proftpd"
    package "$package" proftpd-core proftpd-mod-crypto
fi
[ "$way" != fetch ] || exit 0
scratch=$3 port=$4 library=$5 login=$6 hash=$7 certificate=$8 key=$9

mkdir -p "$scratch"
(umask 077 && echo "$login:$hash:$(id -u nobody):$(id -g nobody)::$library:/bin/false" > "$scratch/passwd")
# Logins are not slowed down (DelayEngine), and none is refused for how many there are.
cat > "$scratch/conf" <<CONF
$modules
$([ "$way" != tls ] || echo LoadModule mod_tls.c)
ServerName bench
ServerType standalone
DefaultAddress 127.0.0.1
SocketBindTight on
UseIPv6 off
Port $port
User nobody
Group nogroup
MaxInstances none
UseReverseDNS off
AllowOverwrite on
AllowStoreRestart $([ "$way" = atomic ] && echo off || echo on)
HiddenStores $([ "$way" = atomic ] && echo on || echo off)
DefaultRoot ~
RequireValidShell off
UseFtpUsers off
AuthPAM off
AuthOrder mod_auth_file.c
AuthUserFile $scratch/passwd
TimeoutNoTransfer 5
DelayEngine off
PidFile $scratch/pid
ScoreboardFile $scratch/scoreboard
SystemLog none
TransferLog none
WtmpLog off
<IfModule mod_tls.c>
 TLSEngine on
 TLSRequired off
 TLSProtocol TLSv1.2 TLSv1.3
 TLSECCertificateFile $certificate
 TLSECCertificateKeyFile $key
 TLSVerifyClient off
</IfModule>
CONF
exec "$program" --nodaemon --quiet --config "$scratch/conf"
