#!/bin/bash
# Checks that every object of Sources/CKernels/isa exports exactly one symbol, its table, for x86-64
# and for AArch64, in a debug and in a release build. A shared inline function compiled for AVX-512
# must never be the copy that the linker keeps for an older CPU.
#
#   tools/check_exports.sh [--self-test]
#
# CC names the compiler (default: clang, else gcc). An architecture for which there is no compiler
# is reported as skipped. Exit code 0 if all is well, 1 if not.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

native=${CC:-$(command -v clang || command -v gcc || true)}
if [ -z "$native" ]; then
    echo "check_exports: no C compiler. Run: sudo apt install -y clang" >&2
    exit 1
fi

# compiler_for x86_64|aarch64: prints the command, or nothing where there is none.
compiler_for() {
    local candidate
    for candidate in "$native" "$native -target $1-linux-gnu" "$1-linux-gnu-gcc"; do
        # shellcheck disable=SC2086
        if printf '#include <math.h>\n#ifndef __%s__\n#error\n#endif\n' "$1" |
            $candidate -x c -c - -o "$work/probe.o" 2> "$work/probe.log"; then
            echo "$candidate"
            return
        fi
    done
}

# exported OBJECT: prints the names of its global symbols, defined here.
exported() {
    local tool
    for tool in nm llvm-nm aarch64-linux-gnu-nm; do
        "$tool" -g --defined-only "$1" 2> "$work/nm.log" | awk 'NF == 3 { print $3 }' | sort &&
            [ ! -s "$work/nm.log" ] && return
    done
    echo "check_exports: no nm that reads $1. Run: sudo apt install -y binutils" >&2
    return 1
}

# check FILE ARCHITECTURE COMPILER: compiles it without and with optimisation, and compares.
check() {
    local name symbols expected="" flags
    name=$(basename "$1" .c)
    # A file guarded by the other architecture's macro is empty here.
    grep -q '^#if defined(__\(x86_64\|aarch64\)__)' "$1" && ! grep -q "^#if defined(__$2__)" "$1" ||
        expected=mg_kernels_$name
    for flags in "-O0" "-O2 -DNDEBUG"; do
        # shellcheck disable=SC2086
        $3 -std=c17 $flags -ISources/CKernels/include -c "$1" -o "$work/$name.o"
        symbols=$(exported "$work/$name.o")
        [ "$symbols" = "$expected" ] && continue
        echo "$1 ($2, $flags) exports the wrong symbols." \
            "Found \"${symbols//$'\n'/ }\", expected \"$expected\"." \
            "Make its other functions static." >&2
        failures=$((failures + 1))
    done
}

self_test() {
    cp -r Sources/CKernels "$work"
    local copy=$work/CKernels/isa/self_test.c
    sed 's/mg_kernels_scalar/mg_kernels_self_test/' Sources/CKernels/isa/scalar.c > "$copy"
    echo 'int mg_stray(void) { return 0; }' >> "$copy"
    check "$copy" "$(uname -m)" "$native" 2> "$work/message"
    grep -q 'Found "mg_kernels_self_test mg_stray"' "$work/message" && [ $failures = 2 ] ||
        { echo "self-test: a stray symbol went unnoticed:" && cat "$work/message" && exit 1; }
    echo "self-test: a planted stray symbol was found"
}

if [ "${1:-}" = --self-test ]; then
    self_test
    exit 0
fi
for architecture in x86_64 aarch64; do
    compiler=$(compiler_for $architecture)
    if [ -z "$compiler" ]; then
        echo "exports: $architecture skipped, no compiler for it"
        continue
    fi
    for file in Sources/CKernels/isa/*.c; do check "$file" $architecture "$compiler"; done
    echo "exports: $architecture checked with $compiler"
done
[ $failures = 0 ]
