#!/bin/sh
# Kernel checks natively: every back end of this CPU, forced by MGPT_ISA and verified, and the
# errors of the choice. `swift test` runs the same checks in one process; what it can't do is choose
# again. For AArch64 under QEMU see test-kernels-arm.sh.
#
#   tools/test-kernels.sh [--sanitize address | --sanitize thread] [arguments of kernel-checks]
#
# Examples: tools/test-kernels.sh --long            every float32 input of exp and tanh
#           tools/test-kernels.sh --sanitize thread --quick
# CC names the compiler. Exit codes: 0 all good, 1 a check failed, 69 no compiler.
set -u
cd "$(dirname "$0")/.." || exit 1

flags="-O2" prefix=""
if [ "${1:-}" = --sanitize ]; then
    case ${2:-} in
    address) flags="-O1 -fsanitize=address,undefined -fno-sanitize-recover=all" ;;
    thread)
        flags="-O1 -fsanitize=thread"
        # Older sanitizers fail where the kernel randomises addresses widely.
        prefix=$(command -v setarch) && prefix="$prefix -R"
        ;;
    *) echo "test-kernels: --sanitize ${2:-}? Expected address or thread." >&2; exit 64 ;;
    esac
    shift 2
fi

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
program=$work/kernel-checks

# Swift's clang links its thread sanitizer against libdispatch, which lies beside it.
swift=$(command -v swift) && swift=$(dirname "$(dirname "$(readlink -f "$swift")")")/lib/swift/linux
links() { # compiler, flags
    # shellcheck disable=SC2086
    echo 'int main(void) { return 0; }' |
        $1 $2 -x c - -o "$work/probe" -lm -lpthread 2>/dev/null && $prefix "$work/probe"
}
dispatch="-L$swift -ldispatch -lBlocksRuntime -Wl,-rpath,$swift"
compiler=""
for name in ${CC:-clang gcc cc}; do
    for extra in "" "$dispatch"; do
        [ -z "$compiler" ] && links "$name" "$flags $extra" && compiler=$name libraries=$extra
    done
done
if [ -z "$compiler" ]; then
    echo "test-kernels: no C compiler for \"$flags\". Run: sudo apt install -y clang" >&2
    exit 69
fi
# shellcheck disable=SC2086
$compiler -std=c17 -g -Wall -Wextra -Werror $flags \
    -ISources/CKernels/include -ITests/CKernelChecks/include \
    Sources/CKernels/*.c Sources/CKernels/isa/*.c Tests/CKernelChecks/*.c \
    tools/kernel_checks_main.c -o "$program" $libraries -lm -lpthread 2>"$work/log"
if [ ! -x "$program" ]; then
    cat "$work/log" >&2
    exit 1
fi

failed=0 tried="" refused=""
for isa in scalar neon neon_dotprod avx2 avx512 avx512_bf16; do
    message=$(MGPT_ISA=$isa $prefix "$program" --best 2>&1)
    case $? in
    0) tried="$tried $isa"; MGPT_ISA=$isa $prefix "$program" "$@" || failed=1 ;;
    69) refused="$refused $isa"
        case $message in
        "kernel-checks: MGPT_ISA=$isa can't run here: this "*" lacks it. Expected one of: scalar"*) ;;
        *) echo "MGPT_ISA=$isa: $message"; failed=1 ;;
        esac ;;
    *) echo "MGPT_ISA=$isa: $message"; failed=1 ;;
    esac
done
best=$($prefix "$program" --best)
[ "$best" = "${tried##* }" ] || { echo "chose $best among$tried"; failed=1; }
message=$(MGPT_ISA=sse9 $prefix "$program" 2>&1)
code=$?
start='kernel-checks: MGPT_ISA names no back end. Found "sse9", expected one of: scalar'
case $code:$message in
69:"$start"*) ;;
*) echo "MGPT_ISA=sse9: exit $code, $message"; failed=1 ;;
esac
[ $failed -eq 0 ] && echo "test-kernels: all good:$tried; refused:$refused; default: $best"
exit $failed
