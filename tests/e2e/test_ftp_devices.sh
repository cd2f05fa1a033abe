#!/usr/bin/env bash
# Cameras, scanners and printers speak dialects of FTP: their exchanges, replayed word by word, end with the file in the library.
. "$(dirname "$0")/ftp.sh"

add_user "$FTP_USER" --rights all
add_user camera --rights put,mkdir --home drop
mkdir "$LIBRARY/drop"
serve_ftp $'active = true\ndata_seconds = 2'
python3 "$HERE/ftp_devices.py"
wait_for 10 no_sessions
partials_are 0 || fail "left: $(find "$LIBRARY/.forkftp" -type f)"
