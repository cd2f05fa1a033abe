#!/usr/bin/env bash
# The image fauria/vsftpd, whose virtual users are in a Berkeley database, becomes ours: from the text of that database, as the import says to
# take it, and whole scripts of real clients pass at what it became.
. "$(dirname "$0")/import.sh"
users_are ftp:x:14:50::/var/ftp:/sbin/nologin
install -d -o ftp "/home/vsftpd/$FTP_USER"
# As the image makes it: a line with the name, and one with the password.
printf '%s\n' "$FTP_USER" "$FTP_PASSWORD" >virtual_users.txt
while read -r name && read -r password; do
    printf '%s:%s\n' "$name" "$(printf '%s' "$password" | openssl passwd -6 -stdin)"
done <virtual_users.txt >hashed
import fauria vsftpd "$IMAGES/fauria-vsftpd.conf" --passwords hashed
has fauria/forkftpd.toml '^library = "/home/vsftpd"$'
has fauria/forkftpd.toml '^user = "ftp"$'
has fauria/forkftpd.toml '^passive_ports = "21100-21110"$'
has fauria/users.toml "^home = \"$FTP_USER\"\$"
passes fauria tnftp wget
