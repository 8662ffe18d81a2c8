#!/bin/sh
# Runs every fuzz target of the given modules for FUZZTIME each: go test -fuzz
# takes only one at a time.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
failed=""
for module in "$@"; do
	cd "$root/$module"
	for package in $(go list ./...); do
		for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
			echo "fuzz $package $target (${FUZZTIME:=20s})"
			go test -run '^$' -fuzz "^$target\$" -fuzztime "$FUZZTIME" "$package" || failed="$failed $package.$target"
		done
	done
done
[ -z "$failed" ] || { echo "fuzzing found a failure in:$failed" >&2; exit 1; }
