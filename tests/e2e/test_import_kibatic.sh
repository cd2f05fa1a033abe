#!/usr/bin/env bash
# The image kibatic/proftpd, which is Debian's proftpd.conf for the container's own users, becomes ours. It hashes passwords by DES, which nobody
# takes over: the user gets a password by the command that the import prints. Whole scripts of real clients pass at what it became.
. "$(dirname "$0")/import.sh"
users_are proftpd:x:101:65534::/run/proftpd:/usr/sbin/nologin "$FTP_USER:x:1000:1000::/home/$FTP_USER:/bin/sh"
install -d -o proftpd "/home/$FTP_USER"
# shellcheck disable=SC2016 # perl's, as the image has it
shadow_of "$(perl -e 'print crypt($ARGV[0], "password")' "$FTP_PASSWORD")"
mkdir -p proftpd/conf.d
sed "s|/etc/proftpd/|$SCRATCH/proftpd/|" "$IMAGES/kibatic-proftpd.conf" >proftpd/proftpd.conf
sed "s|/etc/proftpd/|$SCRATCH/proftpd/|" "$IMAGES/kibatic-modules.conf" >proftpd/modules.conf
import kibatic proftpd proftpd/proftpd.conf --passwords shadow
has kibatic/forkftpd.toml '^library = "/home"$'
has kibatic/forkftpd.toml '^user = "proftpd"$'
has kibatic/forkftpd.toml '^passive_ports = "50000-50100"$'
has kibatic/forkftpd.toml '^xferlog = "/var/log/proftpd/xferlog"$'
# What it prints for the user is what adds them.
add=$(grep -E "^  forkftpd user add $FTP_USER " kibatic.said)
# shellcheck disable=SC2086 # words
(cd "$SCRATCH" && expect_status 0 "$BIN"/${add#  } --password-stdin --iterations 4096 <password)
has kibatic/users.toml "^home = \"$FTP_USER\"\$"
passes kibatic tnftp rclone
