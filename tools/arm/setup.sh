#!/bin/bash
# Makes a folder in which Swift packages are compiled on x86-64 for AArch64 Linux: Debian trixie's
# swiftlang (6.0.3, what Raspberry Pi OS installs) as compiler, and its arm64 twin as sysroot. Not
# here: using it (swift.sh), running the result (test.sh).
#
#   tools/arm/setup.sh [FOLDER]
#
# FOLDER is MGPT_ARM_DIR by default, or else mgpt-arm in the user's cache. Downloads 1.1 GB from the
# Debian mirror that apt is configured with, or from DEBIAN_MIRROR; apt checks the signatures. No
# script of a package runs, nothing outside FOLDER changes, root is not needed. The folder is made
# aside (FOLDER.part) and renamed when it is whole; a second run ends at once.
# Exit codes: 0 ready, 64 wrong arguments, 69 something is missing, 1 the download failed.
set -euo pipefail
name=setup-arm
cd_back=$PWD
cd "$(dirname "$0")"
. ./common.sh
stamp="trixie $(sha256sum < setup.sh)"
cd "$cd_back"
case $# in
    0) ;;
    1) arm_dir=$1 ;;
    *) die 64 "Found $# arguments, expected at most one, the folder." ;;
esac
case $arm_dir in
    -*) die 64 "no option $arm_dir. Expected a folder, or nothing." ;;
esac

ready() { [ "$(cat "$arm_dir/stamp" 2> /dev/null)" = "$stamp" ]; }

need_intel
arm_dir=$(readlink -m "$arm_dir")
case $arm_dir in
    # swift.sh lays the compiler's /usr over that of the machine.
    /usr | /usr/*) die 64 "$arm_dir can't be used: choose a folder that is not in /usr." ;;
esac
if ready; then
    echo "$name: $arm_dir is ready"
    exit 0
fi
if [ -e "$arm_dir" ] && [ ! -e "$arm_dir/stamp" ] && [ -n "$(ls -A "$arm_dir")" ]; then
    die 64 "$arm_dir holds something else. Name a folder that is empty or not there."
fi
command -v mmdebstrap > /dev/null && [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] ||
    die 69 "no mmdebstrap. Run: sudo apt install -y mmdebstrap debian-archive-keyring"
# Without downloaded lists apt does not know which of its servers is Debian's.
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' \
    'Label: Debian' 'Component: main' 'Created-By: Packages' | sort -u | head -n 1)}
[ -n "$mirror" ] || die 69 "apt knows no Debian mirror. Run: sudo apt-get update;" \
    "on other systems set DEBIAN_MIRROR to the address of one"

# Children inherit the lock: after a kill -9 the next run waits for what still writes.
part=$arm_dir.part
mkdir -p "$(dirname "$arm_dir")" 2> /dev/null && : 2> /dev/null > "$arm_dir.lock" ||
    die 69 "$(dirname "$arm_dir") can't be written to. Set MGPT_ARM_DIR to another folder"
exec 9> "$arm_dir.lock"
if ! flock -n 9; then
    echo "$name: waiting for another run, which is making $arm_dir"
    flock 9
fi
if ready; then
    echo "$name: $arm_dir is ready"
    exit 0
fi
rm -rf "$part"
free=$(df -Pk "$(dirname "$arm_dir")" | awk 'NR == 2 { print int($4 / 1024) }')
[ "$free" -ge 5000 ] || die 69 "too little space for $arm_dir. Found $free MB free, expected 5000." \
    "Set MGPT_ARM_DIR to another folder"
mkdir "$part"
leave() {
    jobs -p | xargs -r kill 2> /dev/null || true
    wait || true
    rm -rf "$part"
}
trap leave EXIT
trap 'exit 130' INT TERM HUP

# What apt is told on this machine about proxies, retries and clocks holds for the downloads too.
apt-config dump --no-empty Acquire::http Acquire::https Acquire::Retries \
    Acquire::Check-Valid-Until Acquire::Check-Date > "$part/apt.conf"
echo 'APT::Install-Recommends "false";' >> "$part/apt.conf"

# unpack ARCHITECTURE FOLDER PACKAGES: with what they depend on.
unpack() {
    TMPDIR=$part mmdebstrap --verbose --variant=extract --mode=chrootless --architectures="$1" \
        --aptopt="$part/apt.conf" --include="$3" trixie "$part/$2" "$mirror" \
        > "$part/$1.log" 2>&1
}
unpacked() { # JOB ARCHITECTURE
    wait "$1" || die 1 "the $2 packages could not be fetched from $mirror:" \
        "$(grep -m 1 -oE '(Could not|Temporary failure|404  ).*' "$part/$2.log" ||
            grep -m 1 '^E:' "$part/$2.log")." \
        "Check the network, or set DEBIAN_MIRROR to another mirror, and run it again"
}
echo "$name: fetching 1.1 GB from $mirror into $arm_dir (some minutes)"
libraries=swiftlang,libc6-dev,libstdc++-14-dev,base-files
unpack amd64 root "$libraries,bash,coreutils,dash,libc-bin" & amd64=$!
unpack arm64 sysroot "$libraries" & arm64=$!
unpacked $arm64 arm64
unpacked $amd64 amd64

# What building never uses: half of the space. Emulated programs look for each file in the sysroot
# first, so it keeps only what belongs to the compiler.
swift=usr/libexec/swift
rm -rf "$part"/root/usr/share/{doc,man,locale,info} "$part"/root/$swift/lib/swift/embedded \
    "$part"/root/$swift/{bin/{lldb*,repl_swift,sourcekit-lsp,clangd,docc},lib/liblldb*} \
    "$part"/root/$swift/lib/libsourcekitdInProc.so \
    "$part"/sysroot/$swift/{bin,lib/liblldb*,lib/swift/embedded}
find "$part/root" -mindepth 1 -maxdepth 1 ! -name usr -exec rm -rf {} +
find "$part/sysroot" -mindepth 1 -maxdepth 1 ! -name usr -exec rm -rf {} +
find "$part/sysroot/usr" -mindepth 1 -maxdepth 1 ! -name include ! -name lib ! -name libexec \
    -exec rm -rf {} +
ln -s usr/lib "$part/sysroot/lib"

# The Swift SDK, with paths relative to its folder. Programs look for the runtime where Debian's
# libswiftlang has it; lld, as Debian's gold knows no AArch64 here.
sdk=$part/sdks/arm64.artifactbundle/arm64
mkdir -p "$sdk"
cat > "$sdk/../info.json" << 'JSON'
{
  "schemaVersion": "1.0",
  "artifacts": {
    "arm64": {"type": "swiftSDK", "version": "6.0.3", "variants": [{"path": "arm64"}]}
  }
}
JSON
cat > "$sdk/swift-sdk.json" << 'JSON'
{
  "schemaVersion": "4.0",
  "targetTriples": {
    "aarch64-unknown-linux-gnu": {
      "sdkRootPath": "../../../sysroot",
      "swiftResourcesPath": "../../../sysroot/usr/libexec/swift/lib/swift",
      "swiftStaticResourcesPath": "../../../sysroot/usr/libexec/swift/lib/swift_static",
      "toolsetPaths": ["toolset.json"]
    }
  }
}
JSON
cat > "$sdk/toolset.json" << 'JSON'
{
  "schemaVersion": "1.0",
  "swiftCompiler": {"extraCLIOptions": ["-use-ld=lld", "-no-toolchain-stdlib-rpath"]},
  "linker": {"extraCLIOptions": ["-rpath", "/usr/libexec/swift/lib/swift/linux"]}
}
JSON
# The driver wants to know the version of an SDK.
echo '{"CanonicalName": "linux", "Version": "13.0", "VersionMap": {}}' \
    > "$part/sysroot/SDKSettings.json"

# Swift's list for static executables names three libraries of Foundation's older days, which Debian
# does not have and nothing here needs.
static=$part/sysroot/$swift/lib/swift_static/linux
mkdir -p "$static"
for library in icui18nswift icuucswift icudataswift; do
    [ -e "$static/lib$library.a" ] || printf '!<arch>\n' > "$static/lib$library.a"
done

rm -f "$part"/*.log "$part/apt.conf"
echo "$stamp" > "$part/stamp"
rm -rf "$arm_dir"
mv "$part" "$arm_dir"
echo "$name: $arm_dir is ready, $(du -sh "$arm_dir" | cut -f 1)"
