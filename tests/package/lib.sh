# What the tests of the package share. Sourced by every test_*.sh.
# shellcheck shell=bash
set -euo pipefail

scratch=$(mktemp -d /run/package.XXXXXX)
cleanup() {
  local status=$?
  trap - EXIT
  if [ "$status" != 0 ]; then
    echo "FAIL"
    journalctl --no-pager -u 'forkftpd*' | tail -n 30 | sed 's/^/    /'
  fi
  exit "$status"
}
trap cleanup EXIT

fail() {
  echo "FAIL: $*" >&2
  exit 1
}
# Tries a command every 50 ms until it is true, at most so many seconds.
wait_for() {
  local end=$((SECONDS + $1 + 1))
  shift
  until "$@" >"$scratch/wait" 2>&1; do
    [ $SECONDS -lt $end ] || fail "waited in vain for: $* $(tail -n 5 "$scratch/wait")"
    sleep 0.05
  done
}
done_with() { echo "ok $*"; }
has() { grep -Eq -e "$2" "$1" || fail "no '$2' in: $(cat "$1")"; }
mode() { stat -c '%a %U' "$1"; }
