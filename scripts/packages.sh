#!/bin/sh
# Builds the Debian packages into dist/.
# Usage: [VERSION=1.2.3] [AGENT_ONLY=1] packages.sh NFPM [ARCH...]   (default: amd64 arm64 armhf)
set -eu
nfpm=$1
shift
[ $# -gt 0 ] || set -- amd64 arm64 armhf
cd "$(dirname "$0")/.."

# A tag v1.2.3 is version 1.2.3; what comes after it sorts after it, and what
# has no tag at all before the first.
if [ -z "${VERSION:-}" ]; then
	described=$(git describe --tags --match 'v[0-9]*' 2>/dev/null || echo "v0~$(git log -1 --format=%cd.%h --date=format:%Y%m%d%H%M%S)")
	VERSION=$(echo "${described#v}" | tr - +)
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p dist

# build ARCH MODULE PROGRAM [FLAGS...]
build() {
	arch=$1 module=$2 program=$3
	shift 3
	case $arch in
	armhf) GOARCH=arm GOARM=6 ;; # every Raspberry Pi, the first and the Zero too
	*) GOARCH=$arch GOARM= ;;
	esac
	(cd "$module" && GOOS=linux GOARCH=$GOARCH GOARM=$GOARM CGO_ENABLED=0 go build -trimpath \
		-ldflags "-s -w -X main.version=$VERSION" "$@" -o "$work/$arch/$program" "./cmd/$program")
}

for arch in "$@"; do
	packages=lucid-agent
	# shellcheck disable=SC2046 # a flag is a word
	build "$arch" agent lucid-agent $(grep '^-' agent/build.flags)
	if [ "$arch" != armhf ] && [ -z "${AGENT_ONLY:-}" ]; then
		packages="$packages lucid-coordinator"
		build "$arch" coordinator lucid-coordinator
		build "$arch" coordinator lucidctl
	fi
	for package in $packages; do
		ARCH=$arch VERSION=$VERSION BINARIES=$work/$arch "$nfpm" package --packager deb \
			--config "deploy/package/$package.yaml" --target "dist/${package}_${VERSION}_$arch.deb"
	done
done
