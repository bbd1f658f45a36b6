#!/bin/sh
# Starts starproxy with what this bundle has, so that it answers as then.
#
#   ./replay.sh                 answers from the recorded exchanges, session.flow
#   ./replay.sh --mocks         answers with the mocks of the directory scenario
#   ./replay.sh --port 9000     all other options are those of "starproxy run"
#
# The program is starproxy on PATH, or the one that the variable STARPROXY names.
set -eu
unset CDPATH
here=$(cd -- "$(dirname -- "$0")" && pwd)
program=${STARPROXY:-starproxy}
if ! command -v "$program" >/dev/null 2>&1; then
	echo "replay.sh: $program: not found; put starproxy on PATH or set STARPROXY" >&2
	exit 127
fi
if [ "${1-}" = --mocks ]; then
	shift
	exec "$program" run --exporter-config "$here/replay.yaml" --start mock "$@"
fi
if [ ! -f "$here/session.flow" ]; then
	echo "replay.sh: $here/session.flow: not found; manifest.json tells why it was left out" >&2
	exit 1
fi
exec "$program" run --exporter-config "$here/replay.yaml" --start replay --replay-file "$here/session.flow" "$@"
