#!/bin/sh
# Installs what this repository needs and the machine lacks. Quick and silent
# when nothing is missing.
#
#   setup.sh            Go is checked, PostgreSQL installed
#   setup.sh --services and the services of others that some tests start for
#                       themselves; Debian neither starts nor enables them here
#   setup.sh --race     and a C compiler, which go test -race needs
#   setup.sh --long     and all that make test-long needs besides
#   setup.sh --untried  installs nothing: says what the tests leave out here
#   setup.sh --go-only  Go is checked, nothing else
set -eu
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }
die() { say "$*"; exit 1; }

check_go() {
	command -v go >/dev/null || die "Go is not installed: get Go 1.26 or newer from https://go.dev/dl and put its bin folder into PATH"
	# go.mod asks for 1.26, so a newer go fetches or uses a fitting toolchain.
	version=$(go env GOVERSION 2>/dev/null) || version=$(GOTOOLCHAIN=local GOWORK=off go version 2>/dev/null || echo unknown)
	number=${version#go}
	major=${number%%.*}
	rest=${number#*.}
	minor=${rest%%[!0-9]*}
	case "$major$minor" in
	'' | *[!0-9]*) die "Go 1.26 or newer is needed, this is $version: get it from https://go.dev/dl" ;;
	esac
	if [ "$major" -lt 1 ] || { [ "$major" -eq 1 ] && [ "$minor" -lt 26 ]; }; then
		die "Go 1.26 or newer is needed, this is $version: get it from https://go.dev/dl"
	fi
}

# The same places that lucid-coordinator dev looks at.
has_postgres() {
	for initdb in /usr/lib/postgresql/*/bin/initdb; do
		[ -x "$initdb" ] && return 0
	done
	command -v initdb >/dev/null && command -v postgres >/dev/null
}

has_compiler() {
	compiler=$(go env CC)
	command -v "$compiler" >/dev/null && echo '#include <stdlib.h>' | "$compiler" -E -x c - >/dev/null 2>&1
}

# lacks PROGRAM: sbin is not in the PATH of everybody.
lacks() { ! command -v "$1" >/dev/null && ! [ -x "/usr/sbin/$1" ]; }

# need PROGRAM PACKAGE
need() { if lacks "$1"; then missing="$missing $2"; fi; }

as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# A mirror may be busy for a moment, and another apt-get at work for minutes.
apt_get() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@"
}

install() {
	command -v apt-get >/dev/null || die "missing: $*. This machine has no apt-get: install them with its own package manager, then run this again"
	how=""
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null || die "missing: $*. Run as root: apt-get install $*"
		how=", with sudo"
	fi
	say "installing $* with apt-get$how"
	trap 'let_clusters_be; let_services_be' EXIT # however this ends, or the next run after a power cut
	trap 'exit 130' INT TERM HUP
	apt_get update -qq
	keep_cluster_away "$@"
	keep_services_away "$@"
	apt_get install -y -qq --no-install-recommends "$@" >&2 || die "apt-get could not install: $*"
}

# Debian's package makes and starts a cluster of its own, which nobody asked
# for. It is told not to for as long as we install, and never again.
drop_in=/etc/postgresql-common/createcluster.d/lucid-setup.conf
keep_cluster_away() {
	case " $* " in *" postgresql "*)
		say "its own database cluster is not created: lucid-coordinator dev makes a private one"
		as_root mkdir -p "${drop_in%/*}"
		echo 'create_main_cluster = false' | as_root tee "$drop_in" >/dev/null
		;;
	esac
}
let_clusters_be() {
	if [ -e "$drop_in" ]; then as_root rm -f "$drop_in"; fi
}

# Mosquitto and Alertmanager are programs to the tests, but Debian's packages
# start them as services and enable them. A drop-in forbids systemd to start them
# until we have disabled them; it also tells the services that we install from
# those that somebody has, which are never touched.
services="mosquitto prometheus-alertmanager"
unit_dir=/etc/systemd/system
kept_away() { echo "$unit_dir/$1.service.d/lucid-setup.conf"; }

keep_services_away() {
	for service in $services; do
		case " $* " in *" $service "*) ;; *) continue ;; esac
		say "$service is not started as a service, and not enabled: the tests start their own"
		file=$(kept_away "$service")
		as_root mkdir -p "${file%/*}"
		printf '# Of scripts/setup.sh, for as long as it installs this. Run it again, or delete this file.\n[Unit]\nConditionPathExists=!/\n' |
			as_root tee "$file" >/dev/null
	done
}

# One that is half installed would be enabled by whoever finishes it: it stays
# away until the next run, which does.
let_services_be() {
	changed=""
	for service in $services; do
		file=$(kept_away "$service")
		[ -e "$file" ] || continue
		# shellcheck disable=SC2016 # dpkg-query's own variable
		case $(dpkg-query -W -f '${db:Status-Status}' "$service" 2>/dev/null) in
		installed) disable "$service" ;;
		'' | not-installed | config-files) ;;
		*) continue ;;
		esac
		as_root rm -f "$file"
		as_root rmdir --ignore-fail-on-non-empty "${file%/*}"
		changed=yes
	done
	if [ -n "$changed" ] && [ -d /run/systemd/system ]; then as_root systemctl daemon-reload; fi
}

# disable SERVICE: as systemctl and update-rc.d do, also where there is no systemd.
disable() {
	as_root rm -f "$unit_dir"/*.wants/"$1.service"
	if [ -e "/etc/init.d/$1" ]; then as_root update-rc.d "$1" disable; fi
}

# need_service NAME: of the program, its package and its unit.
need_service() {
	if [ -e "$(kept_away "$1")" ]; then # an earlier run was cut off
		missing="$missing $1"
	elif lacks "$1"; then
		for dir in /etc /run /usr/local/lib /usr/lib /lib; do
			if [ -f "$dir/systemd/system/$1.service" ]; then
				say "$1 is not installed: $dir/systemd/system/$1.service is somebody's, and Debian's package would change it"
				return
			fi
		done
		missing="$missing $1"
	fi
}

# told PROGRAM TEXT
told() { if lacks "$1"; then say "NOT TESTED: $2; sh scripts/setup.sh --services installs $1"; fi; }

if [ "${1-}" = --untried ]; then
	told mosquitto "two coordinators behind a Mosquitto"
	told prometheus-alertmanager "alerts pushed to a real Alertmanager"
	[ "$(id -u)" -eq 0 ] || say "NOT TESTED: ingest on a full disk; only root can mount a small one"
	exit 0
fi
check_go
services_too="" compiler_too="" long_too=""
for option; do
	case $option in
	--go-only) exit 0 ;;
	--services) services_too=yes ;;
	--race) compiler_too=yes ;;
	--long) services_too=yes compiler_too=yes long_too=yes ;;
	*) die "no option $option; its head tells which there are" ;;
	esac
done
missing=""
has_postgres || missing="$missing postgresql"
if [ -n "$compiler_too" ]; then
	has_compiler || missing="$missing gcc libc6-dev"
fi
if [ -n "$services_too" ]; then
	for service in $services; do need_service "$service"; done
fi
if [ -n "$long_too" ]; then
	need mcopy mtools        # a boot partition, and
	need strace strace       # a power cut at each step of an enrolment from it
	need qemu-aarch64-static qemu-user-static
	need qemu-system-aarch64 qemu-system-arm # an arm64 machine that boots
	need mke2fs e2fsprogs                    # from a disk
	need debootstrap debootstrap # a Debian to install our packages in,
	need apt-ftparchive apt-utils # from a repository
	need gpg gnupg                # that is signed
fi
# shellcheck disable=SC2086 # a list of package names
[ -z "$missing" ] || install $missing
has_postgres || die "PostgreSQL is still not found in /usr/lib/postgresql/*/bin or PATH"
