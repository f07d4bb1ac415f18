#!/bin/sh
# Kernel checks for AArch64 under QEMU user emulation: Cortex-A76 (Raspberry Pi 5) and Cortex-A72
# (Pi 4). Cross-compiles Sources/CKernels and Tests/CKernelChecks and runs
# tools/kernel_checks_main.c on every back end each core has, the two cores beside each other. Not
# here: the Swift package (tools/arm/test.sh), whose tests run these checks too.
#
#   tools/test-kernels-arm.sh [arguments of kernel-checks, instead of --quick]
#   tools/test-kernels-arm.sh --choice      what no test in one process can try: every choice of a
#                                           back end, by MGPT_ISA and without; one kernel of each
#
# CC names the compiler: clang (the default where it knows AArch64) or aarch64-linux-gnu-gcc.
# Exit codes: 0 all good, 1 a check failed, 69 QEMU or a cross compiler is missing.
set -u
cd "$(dirname "$0")/.." || exit 1

need() {
    echo "test-kernels-arm: no $1. Run: sudo apt install -y qemu-user-static gcc-aarch64-linux-gnu" >&2
    exit 69
}
qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64) || need qemu-aarch64-static

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
program=$work/kernel-checks

# A static program needs no library search path under QEMU. Two large matrices would take half of
# the time: Muon's workers share one from a smaller size on.
build() {
    # shellcheck disable=SC2086
    $1 -std=c17 -O2 -g -Wall -Wextra -Werror -static -DMG_MUON_SHARED_SIDE=96 \
        -ISources/CKernels/include -ITests/CKernelChecks/include \
        Sources/CKernels/*.c Sources/CKernels/isa/*.c Tests/CKernelChecks/*.c \
        tools/kernel_checks_main.c -o "$program" -lm -lpthread
}
links() { # whether compiler $1 makes AArch64 programs at all
    # shellcheck disable=SC2086
    echo 'int main(void) { return 0; }' | $1 -static -x c - -o "$work/probe" 2>/dev/null
}

if [ -n "${CC:-}" ]; then
    compilers="$CC"
    case $CC in *clang*) compilers="$CC -target aarch64-linux-gnu" ;; esac
    links "$compilers" || need "AArch64 support in $CC"
elif links "clang -target aarch64-linux-gnu"; then
    compilers="clang -target aarch64-linux-gnu"
elif links aarch64-linux-gnu-gcc; then
    compilers=aarch64-linux-gnu-gcc
else
    need "cross compiler for AArch64"
fi
echo "test-kernels-arm: $compilers"
build "$compilers" || exit 1

[ "${1:-}" != --choice ] || set -- --quick --kernel gemm_block_f32
[ $# -gt 0 ] || set -- --quick
failed=0
check() { # core, back end
    core=$1 isa=$2
    shift 2
    echo "== $core, $isa"
    MGPT_ISA=$isa "$qemu" -cpu "$core" "$program" "$@" || return 1
}
pi4() {
    all=0
    check cortex-a72 neon "$@" || all=1
    check cortex-a72 scalar "$@" || all=1
    return $all
}
pi4 "$@" > "$work/pi4" 2>&1 &
check cortex-a76 neon_dotprod "$@" || failed=1
check cortex-a76 neon "$@" || failed=1
check cortex-a76 scalar "$@" || failed=1
wait $! || failed=1
cat "$work/pi4"

# The Pi 4 has no dot product: forcing that back end is one clear line, not an illegal instruction.
echo "== cortex-a72, neon_dotprod must be refused"
message=$(MGPT_ISA=neon_dotprod "$qemu" -cpu cortex-a72 "$program" --quick 2>&1)
code=$?
expected="kernel-checks: MGPT_ISA=neon_dotprod can't run here: this CPU lacks it. Expected one of: scalar, neon. Unset MGPT_ISA to use the best one."
if [ $code -ne 69 ] || [ "$message" != "$expected" ]; then
    echo "exit $code with: $message"
    failed=1
fi

# Without MGPT_ISA each core gets its best back end.
for pair in cortex-a76:neon_dotprod cortex-a72:neon; do
    core=${pair%:*} isa=${pair#*:}
    best=$("$qemu" -cpu "$core" "$program" --best)
    [ "$best" = "$isa" ] || { echo "$core chose $best, expected $isa"; failed=1; }
done

[ $failed -eq 0 ] && echo "test-kernels-arm: all good"
exit $failed
