#!/usr/bin/env bash
# What this machine's own systemd finds wrong with the units, and how far they shut the service in: other versions count otherwise.
. "$(dirname "$0")/lib.sh"

systemd-analyze verify --man=no --recursive-errors=yes "$UNIT" "${SOCKETS[@]}" || fail "systemd-analyze verify"
systemd-analyze security --offline=yes --threshold=15 --no-pager "/usr/lib/systemd/system/$UNIT" >"$SCRATCH/security" ||
    fail "the service is shut in less than it was: $(cat "$SCRATCH/security")"
tail -n 1 "$SCRATCH/security"
