# What the tests of the package share. Sourced by every test_*.sh.
# shellcheck shell=bash
set -euo pipefail

SCRATCH=$(mktemp -d /run/package.XXXXXX)
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

. "$(dirname "${BASH_SOURCE[0]}")/../patience.sh"
done_with() { echo "ok $*"; }
has() { grep -Eq -e "$2" "$1" || fail "no '$2' in: $(cat "$1")"; }
mode() { stat -c '%a %U' "$1"; }
