#!/bin/bash
# Swift's compiler and package manager for AArch64 Linux, from the folder that setup.sh made.
#
#   tools/arm/swift.sh build [ARGUMENTS of swift build]
#
# The compiler is Debian trixie's and needs that system's libraries: it runs in a mount namespace of
# its own, in which its /usr lies over the machine's. All other folders are the same, so paths in
# programs and messages are too. As root, or where users may have namespaces.
# Exit codes: those of swift; 69 if the folder is not ready or can't be mounted.
set -euo pipefail
name=swift-arm
. "$(dirname "$0")/common.sh"
[ $# -gt 0 ] || die 64 "no command. Expected: tools/arm/swift.sh build [ARGUMENTS]"
need_intel
[ -e "$arm_dir/stamp" ] || die 69 "$arm_dir is not ready. Run: tools/arm/setup.sh"
arm_dir=$(readlink -f "$arm_dir")
[ -L /lib ] || die 69 "this system keeps /lib apart from /usr/lib. Expected Debian 12, Ubuntu 22.04" \
    "or newer"
case $PWD in
    /usr/*) die 69 "a package in /usr can't be built here. Move it elsewhere" ;;
esac
space=(unshare --mount --propagation private)
[ "$(id -u)" = 0 ] || space=(unshare --user --map-root-user --mount --propagation private)
"${space[@]}" mount --bind "$arm_dir/root/usr" /usr 2> /dev/null ||
    die 69 "no mounts allowed here. In a container, start that with --privileged; elsewhere run" \
        "it as root"
command=$1
shift
# shellcheck disable=SC2016
exec "${space[@]}" "$BASH" -c 'mount --bind "$1" /usr && shift && exec "$@"' - \
    "$arm_dir/root/usr" env PATH=/usr/libexec/swift/bin:/usr/bin LC_ALL=C.UTF-8 swift "$command" \
    --swift-sdks-path "$arm_dir/sdks" --swift-sdk arm64 "$@"
