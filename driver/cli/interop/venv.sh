#!/usr/bin/env bash
# Create or refresh one Python virtual environment.
#
#   venv.sh DIR REQUIREMENTS [REQUIREMENTS-WITHOUT-DEPENDENCIES]
#
# Nothing is done when DIR was made from the same interpreter and the same
# files before. Two calls at once wait for each other. PYTHON names the
# interpreter (default python3).
set -euo pipefail

dir=$1 requirements=$2 nodeps=${3-}
python=${PYTHON:-python3}

mkdir -p "$dir"
if command -v flock >/dev/null; then
	exec 9>"$dir/.lock"
	flock 9
fi

# Comments may change without a new installation.
want=$("$python" --version; grep -hv '^#' "$requirements" ${nodeps:+"$nodeps"})
if [ -f "$dir/.stamp" ] && [ "$want" = "$(cat "$dir/.stamp")" ]; then
	exit 0
fi

echo "installing $(basename "$requirements") into $dir" >&2
rm -f "$dir/.stamp"
"$python" -m venv "$dir"
pip=("$dir/bin/python" -m pip install --quiet --disable-pip-version-check)
"${pip[@]}" --requirement "$requirements"
if [ -n "$nodeps" ]; then
	"${pip[@]}" --no-deps --requirement "$nodeps"
fi
printf '%s\n' "$want" >"$dir/.stamp"
