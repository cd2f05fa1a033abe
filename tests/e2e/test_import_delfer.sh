#!/usr/bin/env bash
# The image delfer/alpine-ftp-server, whose users are the container's own and whose options are half on the command line, becomes ours: in the
# clear, where whole scripts of real clients pass, and with its certificate, where nobody comes in without TLS.
. "$(dirname "$0")/import.sh"
# As with USERS=NAME|PASSWORD|FOLDER.
users_are "$FTP_USER:x:1000:1000:Linux User,,,:$SCRATCH/ftp/$FTP_USER:/sbin/nologin"
install -d -o nobody "ftp/$FTP_USER"
shadow_of "$(hash -6)"
import clear vsftpd "$IMAGES/delfer-vsftpd.conf" -opasv_min_port=21000 -opasv_max_port=21010 -opasv_address=localhost --passwords shadow
has clear/forkftpd.toml "^library = \"$SCRATCH/ftp\"\$"
has clear/forkftpd.toml '^passive_ports = "21000-21010"$'
has clear/users.toml "^home = \"$FTP_USER\"\$"
has clear.said 'vsftpd_log_file=/proc/1/fd/1'
passes clear tnftp ftplib

expect_status 0 "$FORKFTPD" cert new --host localhost --host 127.0.0.1 fullchain.pem privkey.pem
import tls vsftpd "$IMAGES/delfer-vsftpd.conf" -opasv_min_port=21000 -opasv_max_port=21010 -opasv_address=localhost \
    "-orsa_cert_file=$SCRATCH/fullchain.pem" "-orsa_private_key_file=$SCRATCH/privkey.pem" -ossl_enable=YES -oallow_anon_ssl=NO \
    -oforce_local_data_ssl=YES -oforce_local_logins_ssl=YES -ossl_tlsv1=NO -ossl_sslv2=NO -ossl_sslv3=NO -ossl_ciphers=HIGH --passwords shadow
FTP_IMPORTED=$SCRATCH/tls
serve_imported
round --ssl-reqd --cacert fullchain.pem
if curl_at '' >"$OUT" 2>&1; then fail "a login without TLS"; fi
stop
