#!/usr/bin/env bash
# The image stilliard/pure-ftpd, which is a command line and a text of virtual users, becomes ours, and whole scripts of real clients pass at
# what it became.
. "$(dirname "$0")/import.sh"
users_are ftpuser:x:1000:1000::/home/ftpusers:/dev/null
install -d -o ftpuser "/home/ftpusers/$FTP_USER"
# As pure-pw writes it, in the folder that the image keeps it in.
printf '%s:%s:1000:1000::/home/ftpusers/%s/./::::::::::::\n' "$FTP_USER" "$(hash -6)" "$FTP_USER" >pureftpd.passwd
flags=$(grep -v '^#' "$IMAGES/stilliard-pure-ftpd.flags")
# shellcheck disable=SC2086 # flags are words
import stilliard pure-ftpd --passwords pureftpd.passwd -- $flags
has stilliard/forkftpd.toml '^library = "/home/ftpusers"$'
has stilliard/forkftpd.toml '^user = "ftpuser"$'
has stilliard/forkftpd.toml '^passive_address = "localhost"$'
has stilliard/users.toml "^home = \"$FTP_USER\"\$"
passes stilliard tnftp lftp
