#!/bin/sh
# Starts nginx in the foreground, for clients on loopback: the one on this machine, or else Debian's package. It serves the library as files and
# lists, with what Debian's own configuration sets: sendfile, tcp_nopush, a worker for each processor; and without a log of requests.
# usage: nginx.sh fetch PACKAGE-FOLDER
#        nginx.sh plain PACKAGE-FOLDER SCRATCH-FOLDER PORT LIBRARY [...]
set -eu
# shellcheck source=tests/bench/peers/package.sh
. "$(dirname "$0")/package.sh"
way=$1 package=$2

if ! program=$(command -v nginx || command -v /usr/sbin/nginx); then
    program=$package/usr/sbin/nginx
    package "$package" nginx
fi
[ "$way" != fetch ] || exit 0
scratch=$3 port=$4 library=$5
# As whoever starts it: the way to the library may be closed to others.
[ "$(id -u)" != 0 ] || user="user root;"

mkdir -p "$scratch"
cat > "$scratch/conf" <<CONF
${user-}
worker_processes auto;
daemon off;
pid $scratch/pid;
error_log stderr;
events { worker_connections 768; }
http {
    sendfile on;
    tcp_nopush on;
    access_log off;
    keepalive_requests 100000000;
    default_type application/octet-stream;
    client_body_temp_path $scratch/body;
    proxy_temp_path $scratch/proxy;
    fastcgi_temp_path $scratch/fastcgi;
    uwsgi_temp_path $scratch/uwsgi;
    scgi_temp_path $scratch/scgi;
    server {
        listen 127.0.0.1:$port backlog=1024;
        root $library;
        autoindex on;
    }
}
CONF
exec "$program" -p "$scratch" -e stderr -c "$scratch/conf"
