#!/bin/sh
# Runs every fuzz target of the given modules for FUZZTIME each: go test -fuzz
# takes only one at a time.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
failed=""
for module in "$@"; do
	cd "$root/$module"
	packages=$(go list ./...) # a failure inside "for" would pass for an empty list
	for package in $packages; do
		targets=$(go test -list '^Fuzz' "$package")
		for target in $(echo "$targets" | grep '^Fuzz' || true); do
			echo "fuzz $package $target (${FUZZTIME:=20s})"
			go test -run '^$' -fuzz "^$target\$" -fuzztime "$FUZZTIME" "$package" || failed="$failed $package.$target"
		done
	done
done
[ -z "$failed" ] || { echo "fuzzing found a failure in:$failed" >&2; exit 1; }
