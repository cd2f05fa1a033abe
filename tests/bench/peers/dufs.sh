#!/bin/sh
# Starts dufs in the foreground, for clients on loopback: the one on the PATH, or the one that cargo installed. Debian has no package of it.
# It serves the library to everybody, who may do everything, and logs no request.
# usage: dufs.sh fetch PACKAGE-FOLDER
#        dufs.sh plain PACKAGE-FOLDER SCRATCH-FOLDER PORT LIBRARY [...]
set -eu
way=$1

PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
command -v dufs >/dev/null || { echo "not on this machine: cargo install dufs" >&2; exit 1; }
[ "$way" != fetch ] || exit 0
port=$4 library=$5

exec dufs --bind 127.0.0.1 --port "$port" --allow-all --log-format "" "$library"
