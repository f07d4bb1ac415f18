#!/bin/bash
# One stripped program for AArch64 Linux, to be copied to a Raspberry Pi: .build/cross/mgpt. With
# Swift's static Linux SDK where that is installed, and else with Debian's compiler, which setup.sh
# fetches. Not here: tests of it (test.sh).
#
#   tools/arm/cross.sh [sdk | debian]       by default sdk if there is one
#
# sdk: the official way, for any Swift of swift.org; address and checksum are on its download page:
#     swift sdk install ADDRESS --checksum SUM
#     swift build -c release --product mgpt --swift-sdk aarch64-swift-linux-musl
# debian: what `make test-arm` tests. Both link statically: the program needs nothing of the Pi's
# system but Linux. Exit codes: 0 done, 1 it does not run, 64 wrong arguments, 69 something missing.
set -euo pipefail
name=cross-arm
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tools/arm/common.sh"
cd "$root"
swift=${SWIFT:-swift}
way=${1:-}
if [ -z "$way" ]; then
    way=debian
    ! "$swift" sdk list 2> /dev/null | grep -q static-linux || way=sdk
fi
options=(-c release --product mgpt --scratch-path ".build/cross-$way" -Xlinker -s)
# shellcheck disable=SC2206
options+=(${SWIFT_FLAGS:-})
case $way in
    sdk)
        build=("$swift" build "${options[@]}" --swift-sdk aarch64-swift-linux-musl)
        ;;
    debian)
        need_intel
        [ -n "${MGPT_ARM_READY:-}" ] || tools/arm/setup.sh
        build=(tools/arm/swift.sh build "${options[@]}" --static-swift-stdlib)
        build+=(-Xswiftc -static-executable)
        ;;
    *) die 64 "no way \"$way\". Expected sdk or debian" ;;
esac
echo "$name: ${build[*]}"
"${build[@]}"
folder=$("${build[@]}" --show-bin-path)
mkdir -p .build/cross
cp "$folder/mgpt" .build/cross/mgpt.part
mv .build/cross/mgpt.part .build/cross/mgpt
size=$(wc -c < .build/cross/mgpt)
echo "$name: .build/cross/mgpt, $((size / 1000)) kB, stripped, statically linked"

if [ "$(uname -m)" = aarch64 ]; then
    run=()
elif [ -n "$qemu" ]; then
    run=("$qemu" -cpu cortex-a72)
else
    echo "$name: not tried: $(need_qemu 2>&1)" || true
    exit 0
fi
version=$("${run[@]}" .build/cross/mgpt --version) || die 1 "it does not run: exit $?"
echo "$name: it runs as $version"
