#!/usr/bin/env bash
# What an operator decides about FTP: whom a hang-up at the end publishes for, drop boxes that rename and are limited in size and
# number, who logs in without TLS, and the address that clients of each network are told; and a listing of 100,000 files in little
# memory.
. "$(dirname "$0")/ftp.sh"

mkdir library/in library/many
python3 - <<'PYTHON'
import os
for n in range(100_000):
    os.close(os.open(f"library/many/file-with-a-name-of-some-length-{n:06}.bin", os.O_CREAT | os.O_WRONLY, 0o644))
PYTHON
add_user trial --rights all
add_user camera --rights put,overwrite,list,get --on-hangup publish
add_user careful --rights all --tls required
serve_ftp 'login = "optional"
passive_address = "192.0.2.1"
passive_networks = { "127.0.0.0/8" = "198.51.100.7", "127.0.0.2/32" = "203.0.113.5" }' '' '' '
[[listen]]
address = "127.0.0.1:0"
protocol = "ftp"
tls = "required"
plain_networks = ["127.0.0.2/32"]

[anonymous]
rights = ["put"]
home = "in"
on_taken = "rename"
largest_file = 1000
quota_files = 3'
STRICT=$(grep -o 'listening on ftp://127.0.0.1:[0-9]*' "$LOG" | grep -o '[0-9]*$' | grep -v "^$PORT\$")
export STRICT SERVER
python3 "$HERE/ftp_policies.py"
