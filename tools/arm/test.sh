#!/bin/bash
# Everything that `make test-arm` does on x86-64: the whole package compiled for AArch64, all its
# tests emulated as Cortex-A76 (Raspberry Pi 5) and Cortex-A72 (Pi 4: no dot product), the choice of
# back ends, and the program end to end, its files exchanged with this machine's. Not here: how the
# compiler is had (setup.sh), what is done with the program (end-to-end.sh).
#
#   tools/arm/test.sh [--filter PATTERN] ...      options for Swift Testing
#
# Tests see MGPT_EMULATED=1: those that repeat a lot repeat less (they say so). Left out are four
# that train models of real size or measure the system (`bench --report`, two of three runs of
# `demo`, resident memory) and the faults planted in kernels, which test the checks; the log has
# them among the skipped with their reasons. Muon's workers share a matrix from 97 rows on instead
# of 513 (the check of that is n^3). The two cores run beside each other, one test at a time each.
# Exit codes: 0 all good, 1 a test failed, 69 something is missing.
set -euo pipefail
name=test-arm
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tools/arm/common.sh"
cd "$root"
if [ "$(uname -m)" = aarch64 ]; then
    echo "$name: this is an aarch64 machine, nothing is to be emulated: make test"
    exec make test
fi
need_intel
need_qemu
tools/arm/setup.sh
folder=.build/arm
mkdir -p "$folder"

heading() { printf '== %s (%d s)\n' "$1" $SECONDS; }
heading "the package for AArch64"
options=(-c release --scratch-path "$folder" -Xswiftc -enable-testing)
options+=(-Xcc -DMG_MUON_SHARED_SIDE=96)
# shellcheck disable=SC2206
options+=(${SWIFT_FLAGS:-})
tools/arm/swift.sh build --build-tests "${options[@]}"
bin=$(tools/arm/swift.sh build --show-bin-path "${options[@]}")
heading "the program for this machine"
"${SWIFT:-swift}" build -c release --product mgpt ${SWIFT_FLAGS:-}

# suite CORE OPTIONS...: all tests as this core; the log has each with its time. A run that hangs is
# given up and tried once more, and the output names the test it hung in: in one of about forty runs
# of CI it did, for a reason that was not found; outside of the emulator it was never seen.
limit=${MGPT_TEST_LIMIT:-1200}  # seconds; 480 on two cores of 2024 with nothing beside it
suite() {
    local core=$1 code try log=$folder/$1.log
    shift
    emulator "$folder/tests-$core" "$core" "$bin/mgptPackageTests.xctest"
    emulator "$folder/mgpt-$core" "$core" "$bin/mgpt"
    for try in first second; do
        code=0
        MGPT_EMULATED=1 MGPT_PROGRAM="$root/$folder/mgpt-$core" \
            timeout --kill-after=10 "$limit" \
            "$folder/tests-$core" --testing-library swift-testing --no-parallel "$@" \
            > "$log" 2>&1 || code=$?
        [ $code = 124 ] || [ $code = 137 ] || break
        echo "$core: the $try run was given up after $limit s in:" \
            "$(grep ' started\.' "$log" | tail -n 1)"
    done
    return $code
}
end_to_end() {
    tools/arm/end-to-end.sh "$folder/mgpt-$1" .build/release/mgpt > "$folder/$1-end-to-end.log" 2>&1
}
# both FUNCTION ARGUMENTS...: as either core at the same time; 1 if one failed.
TIMEFORMAT='%R s, %U + %S s of CPU'
both() {
    local function=$1 failed=0
    shift
    { time "$function" cortex-a76 "$@"; } 2> "$folder/a76.time" & local a76=$!
    { time "$function" cortex-a72 "$@"; } 2> "$folder/a72.time" & local a72=$!
    wait $a76 || { echo "FAILED: $function as cortex-a76"; failed=1; }
    wait $a72 || { echo "FAILED: $function as cortex-a72"; failed=1; }
    printf '%s as %s: %s\n' "$function" cortex-a76 "$(cat "$folder/a76.time")" \
        "$function" cortex-a72 "$(cat "$folder/a72.time")"
    return $failed
}

failed=0
heading "all tests"
both suite "$@" || failed=1
for core in cortex-a76 cortex-a72; do
    log=$folder/$core.log
    # Each failure with its message, each skipped test with its reason, the summary.
    grep -E 'recorded an issue|^↳|Fatal|skipped' "$log" | head -n 60 || true
    echo "$core: $(grep -E 'Test run with' "$log" | tail -n 1 || true)"
    grep -qE 'Test run with [0-9]+ tests? passed' "$log" || { tail -n 5 "$log"; failed=1; }
done
heading "the choice of back ends, the program from end to end"
tools/test-kernels-arm.sh --choice > "$folder/choice.log" 2>&1 & choice=$!
both end_to_end || failed=1
wait $choice || failed=1
cat "$folder/choice.log" "$folder"/cortex-a7{6,2}-end-to-end.log
times > "$folder/cpu.time"  # of this shell, then of all that it started: user and system
echo "CPU time in all: $(tail -n 1 "$folder/cpu.time")"
[ $failed = 0 ] && heading "test-arm: all good" || { heading "test-arm: FAILED"; exit 1; }
