#!/bin/bash
# The program from end to end on AArch64: trains a small model on data/names.txt, is killed,
# resumes, evaluates, quantises, writes text, chats; then that each architecture reads the other's
# files and writes the same text from them. Not here: what each command must do in detail
# (Tests/mgptTests).
#
#   tools/arm/end-to-end.sh ARM NATIVE      two programs: one emulated, one of this machine
#
# Exit codes: 0 all good, 1 something differs, 64 wrong arguments.
set -euo pipefail
name=end-to-end
. "$(dirname "$0")/common.sh"
[ $# = 2 ] || die 64 "Found $# arguments, expected ARM NATIVE, two programs"
arm=$(readlink -f "$1")
native=$(readlink -f "$2")
data=$(readlink -f "$(dirname "$0")/../../data/names.txt")
work=$(mktemp -d)
child=""
trap '[ -z "$child" ] || kill -9 "$child" 2> /dev/null || true; rm -rf "$work"' EXIT
cd "$work"
head -n 2000 "$data" > names.txt
# As a stream: greedy text goes on for as long as it is asked for, where a name would soon end.
model=(--layout stream --layers 2 --embed-dim 32 --heads 2 --context 32)
recipe=(--steps 60 --batch-size 8 --threads 2 --seed 5 --save-every 10 --eval-every 30)

step() { printf '%-8s %s\n' "$1" "$2"; }
fail() { die 1 "$*"; }
train() { # PROGRAM RUN
    "$1" train --data names.txt --out "$2" "${model[@]}" "${recipe[@]}" > "$2.log" 2>&1 ||
        fail "training ended with $?: $(tail -n 3 "$2.log")"
}
write() { # PROGRAM MODEL: greedy text, so that no random number is in it
    "$1" generate --model "$2" --prompt an --max-tokens 100 --temperature 0 2> errors ||
        fail "generate --model $2 ended with $?: $(cat errors)"
}
loss() { # PROGRAM MODEL
    "$1" eval --model "$2" --data held.txt --json 2> errors |
        sed -n 's/.*"loss": *\([0-9.]*\).*/\1/p'
}
same() { # WHAT ONE OTHER
    [ -n "$2" ] && [ "$2" = "$3" ] || fail "$1 differs. Found \"$3\", expected \"$2\"."
}
tail -n 100 "$data" > held.txt

# A run that is killed after its first checkpoint and goes on ends with the bits of one that is not.
train "$arm" whole
"$arm" train --data names.txt --out killed "${model[@]}" "${recipe[@]}" > killed.log 2>&1 & child=$!
until [ -e killed/last.safetensors ]; do
    kill -0 $child 2> /dev/null || fail "training ended early: $(tail -n 3 killed.log)"
    sleep 0.02
done
kill -9 $child
wait $child 2> /dev/null && fail "training was over before it could be killed"
child=""
"$arm" train --resume killed > resumed.log 2>&1 || fail "resume: $(tail -n 3 resumed.log)"
same "the text after kill and resume" "$(write "$arm" whole/last.safetensors)" \
    "$(write "$arm" killed/last.safetensors)"
same "the loss after kill and resume" "$(loss "$arm" whole/last.safetensors)" \
    "$(loss "$arm" killed/last.safetensors)"
step arm "trained, killed, resumed: loss $(loss "$arm" killed/last.safetensors), as without the kill"

# Both programs, with both models, in all formats.
train "$native" other
mkdir models
cp whole/last.safetensors models/arm.safetensors
cp other/last.safetensors models/native.safetensors
for maker in arm native; do
    for format in int8 int4; do
        "${!maker}" quantize --model models/$maker.safetensors --to $format \
            --out models/$maker-$format.safetensors > quantize.log 2>&1 ||
            fail "quantize --to $format ended with $?: $(tail -n 3 quantize.log)"
    done
done
for file in models/*.safetensors; do
    text=$(write "$native" "$file")
    same "the text of $file on the other architecture" "$text" "$(write "$arm" "$file")"
    # Sums have another order with other vectors: the bound is that of float32, not of a digit.
    pair="$(loss "$native" "$file") $(loss "$arm" "$file")"
    echo "$pair" | awk '{ d = $1 - $2; exit !(NF == 2 && d < 1e-3 * $1 && -d < 1e-3 * $1) }' ||
        fail "the losses of $file differ: $pair"
    step both "${file#models/}: the same text, losses $pair"
done

answer=$(printf 'anna\n/stats\n/quit\n' |
    "$arm" chat --model whole/last.safetensors --temperature 0 --max-tokens 20 2> chat.log) ||
    fail "chat ended with $?: $(cat chat.log)"
[ -n "$answer" ] || fail "chat answered nothing: $(cat chat.log)"
step arm "chat by pipe answered $(printf %s "$answer" | wc -c) bytes"
