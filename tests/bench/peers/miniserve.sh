#!/bin/sh
# Starts miniserve in the foreground, for clients on loopback: the one on the PATH, or the one that cargo installed. Debian has no package of it.
# It serves the library to everybody, for reading; what it says of requests goes to a file.
# usage: miniserve.sh fetch PACKAGE-FOLDER
#        miniserve.sh plain PACKAGE-FOLDER SCRATCH-FOLDER PORT LIBRARY [...]
set -eu
way=$1

PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
command -v miniserve >/dev/null || { echo "not on this machine: cargo install miniserve" >&2; exit 1; }
[ "$way" != fetch ] || exit 0
port=$4 library=$5

exec miniserve --interfaces 127.0.0.1 --port "$port" "$library"
