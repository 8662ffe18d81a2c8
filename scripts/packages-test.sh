#!/bin/sh
# Installs, upgrades, removes and purges the agent's package for real, through
# apt from a signed repository, in a fresh Debian that it makes beside this
# one; and gets those for the Raspberry Pis there, as they would. Needs root, debootstrap, apt-utils and gnupg, and says so without them.
# Usage: packages-test.sh NFPM
set -eu
nfpm=$(realpath "$1")
cd "$(dirname "$0")/.."
skip() { echo "NOT RUN: the packages are not installed, because $*"; exit 0; }
[ "$(id -u)" -eq 0 ] || skip "only root can make a Debian to install them in"
for program in debootstrap apt-ftparchive gpg; do
	command -v "$program" >/dev/null || skip "$program is missing (apt-get install debootstrap apt-utils gnupg)"
done
work=$(mktemp -d)
system=$work/system
end() {
	status=$?
	[ "$status" -eq 0 ] || tail -n 20 "$work/inside.log" 2>/dev/null || true
	umount "$system/proc" 2>/dev/null || true
	rm -rf "$work"
}
trap end EXIT
chmod 755 "$work"
GNUPGHOME=$work/keys
export GNUPGHOME
mkdir -m 700 "$GNUPGHOME"
gpg --batch --quiet --passphrase '' --quick-generate-key 'Lucid test <test@lucid.internal>' ed25519 sign 1d

mirror=$(sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\(http[^ ]*\) .*/\2/p; s/^URIs: *\([^ ]*\).*/\1/p' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1)
codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
echo "making a Debian $codename ..."
debootstrap --variant=minbase --include=systemd,ca-certificates "$codename" "$system" "${mirror:-http://deb.debian.org/debian}" >"$work/debootstrap.log" 2>&1 || {
	tail -n 5 "$work/debootstrap.log"
	skip "debootstrap could not make a Debian"
}
mount -t proc proc "$system/proc"
inside() { chroot "$system" env DEBIAN_FRONTEND=noninteractive "$@" 2>>"$work/inside.log"; }
check() {
	what=$1
	shift
	if "$@"; then echo "ok: $what"; else echo "FAILED: $what"; exit 1; fi
}
absent() { ! [ -e "$1" ]; }

# publish VERSION ARCH...: what stands in dist/ as that version, as the repository.
publish() {
	rm -rf dist "$system/srv/apt"
	version=$1
	shift
	VERSION=$version sh scripts/packages.sh "$nfpm" "$@" >/dev/null
	sh scripts/repository.sh "$system/srv/apt" test@lucid.internal
	inside apt-get update -qq
}
here=$(dpkg --print-architecture)
# machine FILE: the processor in an ELF file's head, and what Go built it for.
machine() {
	od -An -tx1 -j18 -N2 "$1" | tr -d ' \n'
	go version -m "$1" | sed -n 's/.*build.\(GOARCH\|GOARM\)=/ /p' | tr -d '\n'
}
# fetched PACKAGE ARCH MACHINE: apt on such a machine finds it, and what is in
# it is for that processor.
fetched() {
	set -- "$1" "$2" "$3" "/tmp/$1-$2"
	mkdir -p "$system$4/lists" "$work/$1-$2"
	inside sh -c "cd $4 && set -- -o APT::Architecture=$2 -o APT::Architectures=$2 -o Dir::State::Lists=$4/lists \
		-o Dir::Etc::SourceList=/etc/apt/sources.list.d/lucid.list -o Dir::Etc::SourceParts=- -o APT::Sandbox::User=root &&
		apt-get \"\$@\" update -qq && apt-get \"\$@\" download -qq $1" || return 1
	deb=$(echo "$system$4"/*.deb)
	[ "$(dpkg-deb -f "$deb" Package Architecture | tr '\n' ' ')" = "Package: $1 Architecture: $2 " ] || return 1
	dpkg-deb -x "$deb" "$work/$1-$2"
	for program in "$work/$1-$2"/usr/bin/*; do
		[ "$(machine "$program")" = "$3" ] || { echo "$program is $(machine "$program"), want $3"; return 1; }
	done
}
version() { inside lucid-agent version | cut -d' ' -f2; }

mkdir -p "$system/srv/apt"
echo 'deb [signed-by=/srv/apt/lucid-archive-keyring.gpg] file:/srv/apt stable main' >"$system/etc/apt/sources.list.d/lucid.list"
publish 9.0.1 amd64 arm64 armhf
check "the package for every Raspberry Pi, the first too, is ARMv6" fetched lucid-agent armhf "2800 arm 6"
check "the one for 64 bits is arm64" fetched lucid-agent arm64 "b700 arm64"
check "so is the coordinator's" fetched lucid-coordinator arm64 "b700 arm64"
check "the one for PCs is amd64" fetched lucid-agent amd64 "3e00 amd64"
inside apt-get install -y -qq --no-install-recommends lucid-agent >/dev/null
check "installed" [ "$(version)" = 9.0.1 ]
check "its user is there" [ -n "$(inside id lucid-agent)" ]
check "the files for a card are there" cmp -s firmware-config/bookworm/firstrun.sh "$system/usr/share/lucid/firmware-config/bookworm/firstrun.sh"
check "its units are enabled" [ "$(inside systemctl is-enabled lucid-agent lucid-enroll | sort -u)" = enabled ]
check "the state folder belongs to it" [ "$(inside stat -c '%U %a' /var/lib/lucid-agent)" = "lucid-agent 700" ]

echo 'log_level = "debug"' >"$system/etc/lucid/agent.d/local.toml"
echo '{"node_id": "node_secret"}' >"$system/var/lib/lucid-agent/identity.json"
publish 9.0.2 "$here"
inside apt-get upgrade -y -qq >/dev/null </dev/null
check "upgraded without a question" [ "$(version)" = 9.0.2 ]
check "the owner's settings stay" grep -q debug "$system/etc/lucid/agent.d/local.toml"
check "the identity stays" grep -q secret "$system/var/lib/lucid-agent/identity.json"
inside systemctl disable -q lucid-enroll
publish 9.0.3 "$here"
inside apt-get upgrade -y -qq >/dev/null </dev/null
check "a unit that was disabled stays so" [ "$(inside systemctl is-enabled lucid-enroll || true)" = disabled ]

inside apt-get remove -y -qq lucid-agent >/dev/null
check "removed" absent "$system/usr/bin/lucid-agent"
check "the identity outlives removal" grep -q secret "$system/var/lib/lucid-agent/identity.json"
inside apt-get purge -y -qq lucid-agent >/dev/null
check "purging forgets the identity" absent "$system/var/lib/lucid-agent"
check "purging says how an admin deletes the node" grep -q 'lucidctl nodes delete node_secret$' "$work/inside.log"
check "and how its owner would have" grep -q 'sudo lucid-agent unenroll' "$work/inside.log"
check "settings that somebody wrote stay" [ -e "$system/etc/lucid/agent.d/local.toml" ]

inside apt-get install -y -qq --no-install-recommends lucid-coordinator >/dev/null
check "the coordinator starts" [ -n "$(inside lucid-coordinator version)" ]
check "it is not enabled before it has a database" [ "$(inside systemctl is-enabled lucid-coordinator || true)" = disabled ]
printf x >>"$system/srv/apt/pool/main/$(cd "$system/srv/apt/pool/main" && echo lucid-agent_*.deb)"
inside apt-get clean
if inside apt-get install -y -qq --no-install-recommends lucid-agent >/dev/null 2>&1; then
	echo "FAILED: a package that was altered was installed"
	exit 1
fi
echo "ok: a package that was altered is refused"
