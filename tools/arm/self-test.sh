#!/bin/bash
# What setup.sh, swift.sh, cross.sh and test.sh say and leave behind where something is missing or
# breaks off, in seconds and without network: the commands that they call are replaced. Not here:
# that the real folder works (test.sh).
#
#   tools/arm/self-test.sh
#
# Exit codes: 0 all good, 1 with one line per fault.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# A PATH with nothing on it but what the scripts may use, and replacements.
commands="awk basename bash cat chmod cp cut df dirname du env find flock grep head id kill ln ls
    mkdir mv printf readlink rm sed sh sha256sum sleep sort tail touch xargs"
mkdir "$work/bin"
for command in $commands; do ln -s "$(command -v "$command")" "$work/bin/"; done
replace() { # COMMAND, body
    rm -f "$work/bin/$1"
    printf '#!/bin/bash\n%s\n' "$2" > "$work/bin/$1"
    chmod +x "$work/bin/$1"
}
space() { replace df "echo head; echo disk 0 0 $1"; }
replace uname 'echo x86_64'
replace apt-get 'echo mirror'
replace apt-config 'true'
space 9000000

# expect NAME CODE TEXT COMMAND...: its exit code, and what it must say in one line.
expect() {
    local what=$1 code=$2 text=$3 found=0 said
    shift 3
    said=$(PATH=$work/bin MGPT_ARM_DIR=$work/arm HOME=$work "$@" 2>&1) || found=$?
    if [ $found != "$code" ] || [[ $said != *"$text"* ]]; then
        echo "self-test: $what: exit $found, expected $code; said \"$said\", expected \"$text\""
        failed=1
    fi
}
absent() { # NAME FILE...
    local what=$1 file
    shift
    for file; do
        [ ! -e "$file" ] || { echo "self-test: $what: $file is left behind"; failed=1; }
    done
}

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
expect "no mmdebstrap" 69 "Run: sudo apt install -y mmdebstrap debian-archive-keyring" ./setup.sh
expect "no folder" 69 "is not ready. Run: tools/arm/setup.sh" ./swift.sh build
expect "no qemu" 69 "no qemu-aarch64-static. Run: sudo apt install -y qemu-user-static" ./test.sh
expect "no such way" 64 'no way "wine". Expected sdk or debian' ./cross.sh wine
expect "two folders" 64 "Found 2 arguments, expected at most one" ./setup.sh a b
expect "an option" 64 "no option --help. Expected a folder" ./setup.sh --help
expect "in /usr" 64 "choose a folder that is not in /usr" ./setup.sh /usr/local/arm
expect "no command" 64 "no command" ./swift.sh
replace uname 'echo aarch64'
for script in "setup.sh" "swift.sh build" "cross.sh debian"; do
    # shellcheck disable=SC2086
    expect "aarch64: $script" 69 "Found aarch64. On an aarch64 one nothing is to be emulated" \
        ./$script
done
replace uname 'echo x86_64'
absent "without mmdebstrap" "$work/arm" "$work/arm.part"

if [ ! -e $keyring ]; then
    echo "self-test: not tried, as debian-archive-keyring is not here: what a broken download leaves"
    exit $failed
fi
replace mmdebstrap 'echo "Err:1 Could not connect"; exit 1'
replace apt-get 'true'
expect "no mirror" 69 "apt knows no Debian mirror. Run: sudo apt-get update" ./setup.sh
replace apt-get 'echo mirror'
expect "no network" 1 ": Could not connect. Check the network" ./setup.sh
absent "a failed download" "$work/arm" "$work/arm.part"
space 4000000
expect "no space" 69 "Found 3906 MB free, expected 5000" ./setup.sh
space 9000000
mkdir "$work/arm"
echo mine > "$work/arm/file"
expect "a folder of something else" 64 "holds something else" ./setup.sh
[ "$(cat "$work/arm/file")" = mine ] || { echo "self-test: the folder was changed"; failed=1; }
rm -r "$work/arm"

# Half of a download, and then kill -9.
target='for last; do [ "$last" = mirror ] || folder=$last; done; mkdir -p "$folder/usr/lib"'
replace mmdebstrap "$target; echo half > \"\$folder/usr/lib/half\"; sleep 2"
PATH=$work/bin MGPT_ARM_DIR=$work/arm ./setup.sh > /dev/null 2>&1 & setup=$!
for ((i = 0; i < 500; i++)); do
    [ ! -e "$work/arm.part/sysroot/usr/lib/half" ] || break
    sleep 0.01
done
{ kill -9 $setup && wait $setup; } 2> /dev/null || true
absent "a killed download" "$work/arm"
expect "after a kill" 69 "is not ready. Run: tools/arm/setup.sh" ./swift.sh build
replace mmdebstrap "$target"
expect "again after a kill" 0 "waiting for another run" ./setup.sh
absent "the second run" "$work/arm.part" "$work/arm/sysroot/usr/lib/half"
replace mmdebstrap 'exit 1'
expect "a third run" 0 "$work/arm is ready" ./setup.sh
echo other > "$work/arm/stamp"
expect "made by another version, and no network" 1 "packages could not be fetched" ./setup.sh
[ -e "$work/arm/sdks" ] || { echo "self-test: the older folder is gone"; failed=1; }
[ $failed = 1 ] || echo "self-test: all good"
exit $failed
