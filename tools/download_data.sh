#!/usr/bin/env bash
# Fetches data sets that people train small models on, into data/downloaded or another folder:
#
#   names            names.txt, 32 000 of them, one per line
#   gutenberg        five novels, gutenberg-<number>.txt, without the text that Project Gutenberg
#                    puts around them; line breaks and quotation marks made plain
#   wikitext2        wikitext2-{train,valid,test}.txt
#   tinyshakespeare  tinyshakespeare.txt
#   combined         training_data.txt: novels, Shakespeare and WikiText's training part, with lines
#                    <|endoftext|> between them, which mgpt takes for the ends of documents
#
#   tools/download_data.sh [--out DIR] [NAME...]        all of them without a NAME
#
# What is there and has the right checksum is not fetched again; what broke off goes on where it
# stopped. A file has its name only when it is whole: until then it is .NAME.part. Checksums of
# files that never change are in this script; of the others that of the first download is kept in
# DIR/SHA256SUMS, and later ones must agree. Uses curl, else wget.
#
# Variables: MGPT_NAMES_URL, MGPT_GUTENBERG_URL, MGPT_WIKITEXT2_URL, MGPT_TINYSHAKESPEARE_URL name
# other places, without the last part of the address, and then the checksums in this script do not
# count; MGPT_FETCH=curl|wget chooses; MGPT_STALL is the seconds without a byte after which a server
# is given up, MGPT_TRIES how often it is asked.
#
# Exit codes: 0 all there, 64 a wrong argument, 65 wrong data, 69 no answer or nothing to ask with.
set -euo pipefail

raw=https://raw.githubusercontent.com
names_url=${MGPT_NAMES_URL:-$raw/karpathy/makemore/master}
gutenberg_url=${MGPT_GUTENBERG_URL:-https://www.gutenberg.org/cache/epub}
wikitext2_url=${MGPT_WIKITEXT2_URL:-$raw/pytorch/examples/main/word_language_model/data/wikitext-2}
tinyshakespeare_url=${MGPT_TINYSHAKESPEARE_URL:-$raw/karpathy/char-rnn/master/data/tinyshakespeare}
stall=${MGPT_STALL:-30}
tries=${MGPT_TRIES:-3}
books="1342 84 2701 1661 11"
out=$(dirname "$0")/../data/downloaded

fail() { # CODE, words
    echo "download_data: $2" >&2
    exit "$1"
}

# known FILE: bytes and checksum of files that never change, if they come from their usual place.
known() {
    case $1 in
    names.txt) echo "${MGPT_NAMES_URL:+any} 228145 \
0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d" ;;
    tinyshakespeare.txt) echo "${MGPT_TINYSHAKESPEARE_URL:+any} 1115394 \
86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed" ;;
    wikitext2-valid.txt) echo "${MGPT_WIKITEXT2_URL:+any} 1121681 \
f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8" ;;
    wikitext2-test.txt) echo "${MGPT_WIKITEXT2_URL:+any} 1256449 \
d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0" ;;
    esac | sed '/^any/d'
}

sum() {
    if command -v sha256sum > /dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi \
        | cut -d' ' -f1
}
size() { wc -c < "$1" | tr -d ' '; }
recorded() { [ ! -f "$out/SHA256SUMS" ] || sed -n "s/^\([0-9a-f]*\)  $1\$/\1/p" "$out/SHA256SUMS"; }

record() { # FILE, its checksum: added to the sums, which are replaced as a whole
    local sums=$out/SHA256SUMS new=$out/.SHA256SUMS.tmp
    { [ ! -f "$sums" ] || grep -v "  $1\$" "$sums" || true; echo "$2  $1"; } > "$new"
    mv "$new" "$sums"
}

# check FILE PATH: whether what is at PATH is FILE, as far as is known; sets `fault`.
check() {
    local wanted bytes found
    fault=
    found=$(sum "$2")
    read -r bytes wanted <<< "$(known "$1")"
    if [ -n "$bytes" ] && [ "$(size "$2")" != "$bytes" ]; then
        fault="Found $(size "$2") bytes, expected $bytes"
    elif [ -n "$wanted" ] && [ "$found" != "$wanted" ]; then
        fault="Found the checksum $found, expected $wanted"
    elif [ -z "$wanted" ]; then
        wanted=$(recorded "$1")
        [ -z "$wanted" ] || [ "$found" = "$wanted" ] \
            || fault="Found the checksum $found, expected $wanted of $out/SHA256SUMS"
    fi
    [ -z "$fault" ]
}

is_there() { # FILE: whether it needs no download
    [ -e "$out/$1" ] || return 1
    check "$1" "$out/$1" || fail 65 "$out/$1 is not what was downloaded. $fault. Remove it to \
fetch it again, or its line of $out/SHA256SUMS to keep it."
    [ -n "$(known "$1")$(recorded "$1")" ] || record "$1" "$(sum "$out/$1")"
    echo "$out/$1 is there"
}

fetcher() {
    local tool
    for tool in ${MGPT_FETCH:-curl wget}; do
        if command -v "$tool" > /dev/null; then
            echo "$tool"
            return
        fi
    done
    fail 69 "nothing to download with. Found neither curl nor wget. Run: sudo apt install -y curl"
}

# fetch URL PART: goes on with PART where it stopped. Code of curl or wget; `why` says it in words.
fetch() {
    local code=0
    if [ "$tool" = curl ]; then
        curl --fail --location --silent --show-error --connect-timeout "$stall" --speed-limit 1 \
            --speed-time "$stall" --continue-at - --output "$2" "$1" 2> "$2.log" || code=$?
    else
        wget --quiet --server-response --continue --tries=1 --timeout="$stall" \
            --output-document="$2" "$1" 2> "$2.log" || code=$?
    fi
    why=$(grep -E 'curl: |^ *HTTP/|failed|rror' "$2.log" | tail -1 \
        | sed 's/^curl: //; s/^ *//') || true
    rm -f "$2.log"
    return $code
}

# download URL PART: all of it. Each try goes on with what came before; a server that can't is asked
# for everything anew. What does not exist is not asked for twice.
download() {
    local try before
    for try in $(seq "$tries"); do
        before=$([ -f "$2" ] && size "$2" || echo 0)
        if fetch "$1" "$2"; then return; fi
        case $why in *404* | *403* | *410*) break ;; esac
        if [ "$before" -gt 0 ] && [ "$(size "$2")" -le "$before" ]; then
            rm -f "$2"
            if fetch "$1" "$2"; then return; fi
        fi
        [ "$try" = "$tries" ] || sleep 1
    done
    fail 69 "$1 can't be downloaded: ${why:-no answer}. What came is kept; run it again to go on."
}

# obtain FILE URL [FILTER]: FILE, whole and checked, through a filter if there is one.
obtain() {
    is_there "$1" && return
    local part=$out/.$1.part new=$out/.$1.tmp
    download "$2" "$part"
    case $(head -c 200 "$part" | tr '[:upper:]' '[:lower:]') in
    *'<!doctype html'* | *'<html'*)
        rm -f "$part"
        fail 65 "$2 is a web page. Expected a text. Its address may have changed: see --help."
        ;;
    esac
    if [ $# -gt 2 ]; then
        if ! "$3" < "$part" > "$new"; then
            rm -f "$part" "$new"
            fail 65 "$2 is not whole. Expected lines START and END of Project Gutenberg. Run it again."
        fi
    else
        mv "$part" "$new"
    fi
    if ! check "$1" "$new"; then
        rm -f "$part" "$new"
        fail 65 "$2 is damaged or has changed. $fault. Run it again, or check the address."
    fi
    [ -s "$new" ] || fail 65 "$2 is empty."
    [ -n "$(known "$1")" ] || record "$1" "$(sum "$new")"
    sync "$new" 2> /dev/null || sync
    mv "$new" "$out/$1"
    rm -f "$part"
    echo "$out/$1: $(size "$out/$1") bytes"
}

# The text between the lines START and END, of which the first may take two; without them, without
# credits behind the first one and a farewell before the second, with plain line breaks and quotes.
plain_book() {
    LC_ALL=C sed -e $'s/\r$//' -e $'1s/^\xef\xbb\xbf//' \
        -e $'s/\xe2\x80[\x98\x99\x9b]/\x27/g' -e $'s/\xe2\x80[\x9c\x9d\x9f]/"/g' \
        | LC_ALL=C awk '
        function flush_blank() { while (blank > 0) { print ""; blank-- } }
        # A farewell is kept back until it is clear that no END line follows it.
        function put(line) {
            if (line == "") { blank++; return }
            if (started) flush_blank(); else blank = 0
            started = 1
            print line
        }
        /^\*\*\* ?START OF (THE|THIS) PROJECT GUTENBERG/ && !begun {
            begun = 1; opening = !/\*\*\* *$/; credits = 1; next
        }
        opening { if (/\*\*\* *$/) opening = 0; next }
        /^\*\*\* ?END OF (THE|THIS) PROJECT GUTENBERG/ && begun { ended = 1; exit }
        !begun { next }
        credits && /^$/ { if (in_credits) credits = 0; next }
        credits && (in_credits || /^(Produced|E-text prepared|Etext prepared|This e-?text was)/) {
            in_credits = 1; next
        }
        { credits = 0 }
        /^End of (the |this )?Project Gutenberg/ { next }
        { put($0) }
        END { exit !(begun && ended && started) }'
}

# combine: one text of several, each behind the mark that ends the one before.
combine() {
    local file new=$out/.training_data.txt.tmp first=1
    : > "$new"
    for file in "$@"; do
        [ $first = 1 ] || echo '<|endoftext|>' >> "$new"
        cat "$out/$file" >> "$new"
        # The mark needs a line of its own.
        [ -z "$(tail -c 1 "$new")" ] || echo >> "$new"
        first=0
    done
    if [ -f "$out/training_data.txt" ] && cmp -s "$new" "$out/training_data.txt"; then
        rm "$new"
        echo "$out/training_data.txt is there"
        return
    fi
    sync "$new" 2> /dev/null || sync
    mv "$new" "$out/training_data.txt"
    echo "$out/training_data.txt: $(size "$out/training_data.txt") bytes"
}

get() {
    local book part
    case $1 in
    names) obtain names.txt "$names_url/names.txt" ;;
    tinyshakespeare) obtain tinyshakespeare.txt "$tinyshakespeare_url/input.txt" ;;
    wikitext2)
        for part in train valid test; do
            obtain "wikitext2-$part.txt" "$wikitext2_url/$part.txt"
        done
        ;;
    gutenberg)
        for book in $books; do
            obtain "gutenberg-$book.txt" "$gutenberg_url/$book/pg$book.txt" plain_book
        done
        ;;
    combined)
        get gutenberg
        get tinyshakespeare
        obtain wikitext2-train.txt "$wikitext2_url/train.txt"
        # shellcheck disable=SC2046,SC2086
        combine $(printf 'gutenberg-%s.txt ' $books) tinyshakespeare.txt wikitext2-train.txt
        ;;
    esac
}

wanted=()
while [ $# -gt 0 ]; do
    case $1 in
    --out)
        [ $# -gt 1 ] || fail 64 "--out needs a folder"
        out=$2
        shift
        ;;
    --help | -h)
        sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p;}' "$0"
        exit 0
        ;;
    names | gutenberg | wikitext2 | tinyshakespeare | combined) wanted+=("$1") ;;
    *)
        fail 64 "no data set \"$1\". Expected names, gutenberg, wikitext2, tinyshakespeare or combined."
        ;;
    esac
    shift
done
[ ${#wanted[@]} -gt 0 ] || wanted=(names gutenberg wikitext2 tinyshakespeare combined)
mkdir -p "$out" || fail 69 "$out can't be made."
tool=$(fetcher)
for name in "${wanted[@]}"; do get "$name"; done
