#!/usr/bin/env bash
# What takes too long for every change, in steps: the faults in full, at the
# size that is promised. Goes on after a failure and ends with what became of
# each step. Whatever a step leaves behind lies in one temporary folder or runs
# from there, and is cleared away, also after Ctrl-C.
#
#   test-long.sh            all of it
#   test-long.sh STEP...    these steps only
#   test-long.sh --list     their names, and what each does
set -uo pipefail
cd "$(dirname "$0")/.."
readonly root=$PWD modules="shared agent coordinator e2e evm"
export GOWORK=off GOFLAGS="${GOFLAGS:-} -buildvcs=false"

# At most so long by itself, so that a test that hangs ends with its stacks.
readonly limit=60m

# One function a step; its comment is what --list shows.

repeat() { # every test in its short form, twice, in another order each time, with the race detector
	local module status=0
	for module in $modules; do
		(cd "$module" && go test -race -shuffle=on -count=2 -timeout $limit ./...) || status=1
	done
	return $status
}

crash() { # coordinator and Postgres killed 20 times each, while 64 nodes send as fast as they can
	e2e TestCrash -rounds 20 -publishers 64
}

fleet() { # the same under 5,000 samples/s of 500 nodes with every fault and every cheat
	e2e TestFleet -fleet-nodes 500 -fleet-rate 5000 -fleet-rounds 20
}

blame() { # 20 kills of each amid challenges: no node is blamed
	e2e TestNobodyIsBlamedForOurFaults -rounds 20
}

churn() { # 30,000 connections that come and go leave no goroutine and no memory
	e2e TestChurnLeavesNothing -churn-connections 30000
}

broker() { # two coordinators behind a Mosquitto, each killed 5 times under 300 nodes
	e2e TestExternalBroker -relay-nodes 300 -relay-rounds 5
}

hang() { # the database hangs for a minute under 3,000 nodes, and is twelve times slower while all of them come back
	e2e TestDatabaseHangs -hang-nodes 3000 -hang-time 1m -hang-slow 12
}

outage() { # the database is down for a minute, its connections refused, under 5,000 samples/s of 500 nodes
	e2e TestDatabaseOutage -outage-nodes 500 -outage-rate 5000 -outage-time 1m
}

boot() { # enrolment from a boot partition, cut at each of its steps
	e2e TestEnrolmentFromABootPartition
}

backfill() { # a thousand nodes bring a day of samples along at once
	e2e TestBackfill -backfill-nodes 1000 -backfill-publish 1m
}

nodes() { # 10,000 simulated nodes for 5 minutes, with faults and cheats, connecting at once; and for 1 minute over TLS
	local status=0
	(simulate --nodes 10000 --duration 5m --churn 0.1 --cuts 0.2 --duplicates 0.02 --delays 0.02 --clock-skew 0.05 \
		--cheat clone=20 --cheat alter=20 --cheat sybil=50) || status=1
	(simulate --nodes 10000 --duration 1m --tls) || status=1
	return $status
}

storm() { # 10,000 connects at once, and as many one after another
	full internal/broker 'TestEverybodyConnectsAtOnce|TestChurnLeavesNothingBehind'
}

ingest() { # the database halted for a minute, a full disk, runs that come and go, with the race detector
	full internal/sample 'TestServerHalts|TestDiskIsFull|TestRunsThatComeAndGo' -race
}

crowd() { # 100,000 nodes challenged and judged by one leader, in less than 1 GiB
	full . TestRoundForACrowd
}

cheats() { # live fleets of those who cheat so that it takes minutes, or a quarter of an hour, to show
	local status=0
	(e2e TestSlowCheatsAreFlagged) || status=1
	(e2e TestNodesInStepAreFlagged) || status=1
	return $status
}

honest() { # the rules of fraud over 1,000 honest nodes and 30 days, and over every cheat
	full internal/fraud 'TestHonestFleetIsNeverHeld|TestCheatsAreFound'
}

schedules() { # 1,000 seeded schedules of faults while TRON is paid over
	full internal/rail TestSeededSchedules
}

keys() { # every state of three keys of a node that three offers, power cuts and restored backups lead to
	cd agent && TEST_LONG=1 go test -count=1 -timeout $limit -v -run 'TestNodeIsNeverLost' ./internal/identity
}

arm() { # the scores of a year on an emulated arm64; the agent on arm64 and ARMv6, to its first proof
	local status=0
	(full internal/score TestYearOnARM64) || status=1
	(e2e TestAgentOnARM) || status=1
	return $status
}

fuzz() { # every fuzz target for half a minute
	FUZZTIME=${FUZZTIME:-30s} sh scripts/fuzz.sh $modules
}

packages() { # the packages installed, upgraded, removed and purged in a fresh Debian (root)
	make --no-print-directory packages-test
}

machine() { # a Debian booted on an emulated arm64 machine, with the agent's package and a provisioned card (root)
	make --no-print-directory boot-test
}

# e2e TEST FLAG...: one end-to-end test in full.
e2e() {
	local test=$1
	shift
	cd e2e && TEST_LONG=1 go test -count=1 -timeout $limit -v -run "^$test\$" . "$@"
}

# simulate FLAG...: a simulated fleet whose nodes connect as fast as they can.
simulate() {
	cd e2e && go run ./cmd/fleet --self --connect-rate 10000 --sample-interval 2s --publish-interval 10s "$@"
}

# full PACKAGE TESTS FLAG...: tests of the coordinator's package in full.
full() {
	local package=$1 tests=$2
	shift 2
	cd coordinator && TEST_LONG=1 go test -count=1 -timeout $limit -v -run "^($tests)\$" "$@" "./$package"
}

list() { sed -n 's/^\([a-z]*\)() { # \(.*\)/\1 \2/p' scripts/test-long.sh; }

# terse drops what go test -v says of tests that begin, and of parts that passed.
terse() { grep --line-buffered -vE '^(=== |    +--- PASS)' || true; }

outcome=() failed=()
run() {
	local name=$1 began=$SECONDS result=ok
	echo "=== $name: $(list | sed -n "s/^$name //p")"
	# In a process of its own: a step may change folder.
	if ! (TMPDIR=$work "$name") 2>&1 | terse | tee "$work/log"; then
		result=FAILED failed+=("$name")
	elif grep -qE -- '--- SKIP|NOT RUN|NOT TESTED' "$work/log"; then
		result="ok, but NOT ALL OF IT RAN"
	fi
	sweep
	outcome+=("$(printf '%-10s %5d s  %s' "$name" $((SECONDS - began)) "$result")")
	echo "=== ${outcome[-1]}"
}

# ours names the processes that a step started and that still run: they have
# the folder in their environment or, as a Postgres, on their command line.
ours() {
	grep -lszFf - /proc/[0-9]*/environ /proc/[0-9]*/cmdline <<<"$work" | cut -d/ -f3 | sort -u
}

# sweep gives what runs on ten seconds for an end of its own.
sweep() {
	local pids tries
	for tries in {1..10}; do
		pids=$(ours)
		[ -n "$pids" ] || break
		sleep 1
	done
	if [ -n "$pids" ]; then
		echo "still running, killed:" >&2
		# shellcheck disable=SC2086 # a list of numbers
		ps -o pid=,args= -p $pids >&2
		kill -9 $pids 2>/dev/null
	fi
	awk -v below="$work/" 'index($2, below) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r -n 1 umount
	find "$work" -name postgres.socket -exec grep -h '/lucid-pg-[0-9]*$' {} + | xargs -r rm -rf
	find "$work" -mindepth 1 -delete
}

summary() { printf '%s\n' '' "${outcome[@]}"; }

leave() {
	sweep
	rmdir "$work"
}

mapfile -t steps < <(list | cut -d' ' -f1)
case ${1-} in
--list)
	list | while read -r name does; do printf '%-10s %s\n' "$name" "$does"; done
	exit
	;;
?*)
	for name; do
		list | grep -q "^$name " || { echo "no step $name; there are: ${steps[*]}" >&2; exit 2; }
	done
	steps=("$@")
	;;
esac

sh scripts/setup.sh --long || exit 1
work=$(mktemp -d /tmp/lucid-long.XXXXXX) # short: sockets lie below
chmod 711 "$work"                        # Postgres runs as another user when we are root
trap leave EXIT
trap 'summary; echo "ended early (${SECONDS} s)"; exit 130' INT TERM HUP
for name in "${steps[@]}"; do
	run "$name"
done
summary
if ((${#failed[@]})); then
	echo "FAILED: ${failed[*]} (${SECONDS} s)"
	exit 1
fi
echo "every step passed (${SECONDS} s)"
