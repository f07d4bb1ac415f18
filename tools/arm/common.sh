#!/bin/bash
# What the scripts of this folder share: where the environment is, how they complain, how an AArch64
# program is started. To be sourced with `name` set to the script's. Not here: making the
# environment (setup.sh).

# The environment of setup.sh: Swift's cross compiler and an AArch64 sysroot.
arm_dir=${MGPT_ARM_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/mgpt-arm}

# die CODE MESSAGE...: one line, and the end. 69 where something is missing on this machine.
die() {
    local code=$1
    shift
    echo "$name: $*" >&2
    exit "$code"
}

qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64 || true)
need_qemu() {
    [ -n "$qemu" ] || die 69 "no qemu-aarch64-static. Run: sudo apt install -y qemu-user-static"
}

need_intel() {
    [ "$(uname -m)" = x86_64 ] || die 69 "made for x86_64 machines. Found $(uname -m)." \
        "On an aarch64 one nothing is to be emulated: make build test"
}

# emulator FILE CORE PROGRAM: makes FILE a program that runs PROGRAM as that core would. Programs
# that tests start need no registration in the kernel (binfmt_misc) then, and no root.
emulator() {
    printf '#!/bin/sh\nexec "%s" -cpu %s -L "%s" "%s" "$@"\n' \
        "$qemu" "$2" "$arm_dir/sysroot" "$3" > "$1"
    chmod +x "$1"
}
