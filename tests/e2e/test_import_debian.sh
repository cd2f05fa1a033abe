#!/usr/bin/env bash
# Debian's own vsftpd.conf becomes ours, and what it became is served: the machine's users log in with the passwords that they had there,
# and whole scripts of real clients pass.
. "$(dirname "$0")/import.sh"
users_are "$FTP_USER:x:1000:1000::/home/$FTP_USER:/bin/bash"
install -d -o nobody "/home/$FTP_USER"
shadow_of "$(hash -6)"
cp "$IMAGES/debian-vsftpd.conf" vsftpd.conf
# Where the package is installed, and its file as it came, that says the same.
if dpkg --verify vsftpd >changed 2>&1 && ! grep -q /etc/vsftpd.conf changed; then
    grep -v '^#' vsftpd.conf >ours
    grep -v -e '^#' -e '^$' /etc/vsftpd.conf >theirs
    same ours theirs
fi
import gives vsftpd vsftpd.conf --passwords shadow
has gives/forkftpd.toml '^library = "/home"$'
has gives/users.toml "^home = \"$FTP_USER\"\$"
if grep -q 'users\.root' gives/users.toml; then fail "root logs in"; fi
# As it is there, it only gives.
FTP_IMPORTED=$SCRATCH/gives
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
rm "$LIBRARY/there"
# With the line that its comment says to take for writing.
echo write_enable=YES >>vsftpd.conf
import writes vsftpd vsftpd.conf --passwords shadow
passes writes tnftp ncftp
