#!/bin/sh
# Writes the Go client of the API from its OpenAPI document, or with "check"
# fails when what stands in coordinator/client is not what would be written.
# Usage: client.sh OAPI-CODEGEN [check]
set -eu
generator=$1
mode=${2:-write}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$(dirname "$0")/../coordinator"
# The export is part of the program that the client is of; it does not need the
# client to compile.
go run ./client/internal/export > "$work/openapi.json"
"$generator" -config client/oapi-codegen.yaml -o "$work/client.gen.go" "$work/openapi.json"
failed=
for file in openapi.json client.gen.go; do
	if [ "$mode" = write ]; then
		cp "$work/$file" "client/$file"
	elif ! cmp -s "$work/$file" "client/$file"; then
		echo "coordinator/client/$file is not what the API gives; run make generate" >&2
		failed=1
	fi
done
[ -z "$failed" ]
