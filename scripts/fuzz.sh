#!/bin/sh
# Runs every fuzz target of the given modules for FUZZTIME each: go test -fuzz
# takes only one at a time.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
output=$(mktemp)
trap 'rm -f "$output"' EXIT
trap 'exit 130' INT TERM

# Go before 1.27 sometimes fails a target just because its time is over, with
# these two lines and no input (https://go.dev/issue/75804). A failure that was
# found names its input instead.
out_of_time() { # target
	grep -A 1 "^--- FAIL: $1 " "$output" | grep -qx ' *context deadline exceeded' &&
		! grep -q '^ *Failing input written to ' "$output"
}

fuzz() { # package target
	go test -run '^$' -fuzz "^$2\$" -fuzztime "$FUZZTIME" "$1" >"$output" 2>&1
}

: "${FUZZTIME:=20s}"
failed=""
for module in "$@"; do
	cd "$root/$module"
	packages=$(go list ./...) # a failure inside "for" would pass for an empty list
	for package in $packages; do
		targets=$(go test -list '^Fuzz' "$package")
		for target in $(echo "$targets" | grep '^Fuzz' || true); do
			echo "fuzz $package $target ($FUZZTIME)"
			if ! fuzz "$package" "$target"; then
				if out_of_time "$target"; then
					echo "the time was over, which Go took for a failure (go.dev/issue/75804): once more"
					fuzz "$package" "$target" || failed="$failed $package.$target"
				else
					failed="$failed $package.$target"
				fi
			fi
			cat "$output"
		done
	done
done
[ -z "$failed" ] || { echo "fuzzing found a failure in:$failed" >&2; exit 1; }
