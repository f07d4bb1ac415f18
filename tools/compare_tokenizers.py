#!/usr/bin/env python3
"""Compares mgpt's byte-pair tokenizer with Hugging Face's `tokenizers` and with `tiktoken`.

Token ids must be identical, with GPT-2's vocabulary and each of the three patterns, on

    files       every file given with --data, as a whole
    strings     --strings random ones: letters, digits, contractions, emoji, combining marks, CJK,
                all white space, and random bytes that Python decoded with U+FFFD, as both need it
    characters  every single code point, alone, after a blank, between letters, and before the end

and random bytes must come back from mgpt exactly. Files: mgpt must read what the packages write,
they what it writes; the merges that mgpt learns must be those of `BpeTrainer`. mgpt gets many
strings in one file, with <|endoftext|> between them (--special).

Usage: tools/compare_tokenizers.py --gpt2 DIR [--data FILE ...] [--mgpt .build/release/mgpt]
       [--strings 100000] [--seed 1]
       tools/compare_tokenizers.py --freeze DIR --data FILE   writes the fixture of the Swift tests

DIR holds vocab.json and merges.txt. Needs PyPI's `tokenizers` and `tiktoken`; downloads nothing.
Exit code 0 if all agree, 1 with the first differences.
"""

import argparse
import itertools
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import tiktoken
import tiktoken.load
import tokenizers
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

END = "<|endoftext|>"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# As tiktoken 0.14 has it; Oniguruma reads {1,3}+ in another way, so `tokenizers` gets another.
GPT4_TIKTOKEN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|"
    r"\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
GPT4_TOKENIZERS = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s++\z|\s*[\r\n]|\s+(?!\S)|\s"
)
PATTERNS = {
    "gpt2": (GPT2, GPT2),
    "gpt4": (GPT4_TOKENIZERS, GPT4_TIKTOKEN),
    "llama3": (LLAMA3, LLAMA3),
}
WHITE = "\t\n\x0b\x0c\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B)))
WHITE += "\u2028\u2029\u202f\u205f\u3000"
ODD = "\u200b\u200c\u200d\u2060\ufeff\u180e\x1c\x1d\x1e\x1f\x00\x7f\ufffd\u017f\u0130\u212a"
EMOJI = ["😀", "👩\u200d👩\u200d👧", "🇩🇪", "👍🏽", "❤\ufe0f", "1\ufe0f\u20e3"]
EMOJI += ["🏴\U000e0067\U000e007f"]
MARKS = [chr(c) for c in range(0x300, 0x370)] + ["\u0e31", "\u094d", "\u0651", "\u20dd"]
WORDS = "the of and Hello don't we'll I'VE they're it'S x'Ll naïve Straße Ελλάς мир".split()
WORDS += "עולם سلام हिन्दी".split()
SIGNS = "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~"
ENDINGS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'LL", "'\u017f", "'", "''"]
NUMBERS = ["0", "12", "1234567", "½", "Ⅷ", "٣٤", "²", "一二三", "๑๒"]


def random_text(rng):
    """One string of up to a dozen pieces of very different kinds."""
    def piece():
        kind = rng.randrange(11)
        if kind == 0:
            return rng.choice(WORDS)
        if kind == 1:
            return "".join(rng.choice(WHITE) for _ in range(rng.randint(1, 4)))
        if kind == 2:
            return rng.choice(EMOJI)
        if kind == 3:
            return rng.choice("aeinoé") + rng.choice(MARKS) * rng.randint(1, 2)
        if kind == 4:
            return "".join(chr(rng.randint(0x4E00, 0x9FFF)) for _ in range(rng.randint(1, 4)))
        if kind == 5:
            return rng.choice(NUMBERS)
        if kind == 6:
            return "".join(rng.choice(SIGNS) for _ in range(rng.randint(1, 4)))
        if kind == 7:
            return rng.choice(ENDINGS)
        if kind == 8:
            while True:
                value = rng.randrange(0x110000)
                if not 0xD800 <= value < 0xE000:
                    return chr(value)
        if kind == 9:
            return rng.choice(ODD)
        return rng.randbytes(rng.randint(1, 5)).decode("utf-8", "replace")

    return "".join(piece() + (" " if rng.random() < 0.3 else "") for _ in range(rng.randint(1, 12)))


def single_characters():
    """Every code point in four surroundings."""
    for value in range(0x110000):
        if not 0xD800 <= value < 0xE000:
            c = chr(value)
            yield from (c, " " + c, "a" + c + "b", "1 " + c + c + " ")


class Mgpt:
    """Our side: the program, and a tokenizer's path."""

    def __init__(self, program, path, pattern):
        self.start = [program, "tokenizer"]
        self.options = ["--tokenizer", str(path), "--pattern", pattern]

    def run(self, action, data, *options):
        """Standard output for `data` as the file to read."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            command = [*self.start, action, *self.options, "--data", file.name, *options]
            return subprocess.run(command, capture_output=True, check=True).stdout

    def encode(self, text):
        """Ids of one text."""
        return list(map(int, self.run("encode", text).split()))

    def encode_all(self, texts, end):
        """Ids of each of many texts; `end` is the id of <|endoftext|>."""
        ids = list(map(int, self.run("encode", END.join(texts).encode(), "--special").split()))
        results = [[]]
        for token in ids:
            if token == end:
                results.append([])
            else:
                results[-1].append(token)
        return results


def theirs(directory, pattern):
    """(tokenizers, tiktoken) with GPT-2's vocabulary and a pattern."""
    vocabulary = json.loads((directory / "vocab.json").read_text())
    lines = (directory / "merges.txt").read_text(encoding="utf-8").split("\n")
    merges = [tuple(line.split(" ")) for line in lines[1:] if line]
    hugging = Tokenizer(models.BPE(vocabulary, merges))
    first, second = PATTERNS[pattern]
    if pattern == "gpt2":
        hugging.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        hugging.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(first), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ])
    hugging.decoder = decoders.ByteLevel()
    alphabet = byte_alphabet()
    ranks = {
        bytes(alphabet[c] for c in token): rank
        for token, rank in vocabulary.items() if token != END
    }
    tik = tiktoken.Encoding(
        "gpt2-" + pattern, pat_str=second, mergeable_ranks=ranks,
        special_tokens={END: vocabulary[END]},
    )
    return hugging, tik


def byte_alphabet():
    """The byte of each character that stands for one."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(others)}


def report(name, count, differences):
    """One line; the first three differences below it."""
    print(f"{name}: {count} compared, {len(differences)} differ", flush=True)
    for text, ours, other, who in differences[:3]:
        print(f"    {text!r:.200}\n    mgpt  {ours[:30]}\n    {who}  {other[:30]}")
    return len(differences)


def compare_texts(name, texts, encode_all, hugging, tik):
    """Both packages against ours on many texts, some at a time: results take memory."""
    differences, count, texts = [], 0, iter(texts)
    while part := list(itertools.islice(texts, 100_000)):
        batch = hugging.encode_batch_fast(part)
        for text, mine, first in zip(part, encode_all(part), batch, strict=True):
            second = tik.encode_ordinary(text)
            if mine != first.ids:
                differences.append((text, mine, first.ids, "tokenizers"))
            if mine != second:
                differences.append((text, mine, second, "tiktoken"))
        count += len(part)
    return report(name, count, differences)


def compare_pattern(pattern, options, end):
    """Files, strings and characters with one pattern."""
    hugging, tik = theirs(options.gpt2, pattern)
    mgpt = Mgpt(options.mgpt, options.gpt2 / "vocab.json", pattern)
    failures = 0
    for path in options.data:
        text = path.read_bytes().decode("utf-8", "replace")
        failures += compare_texts(
            f"{pattern} {path.name}", [text], lambda part: [mgpt.encode(part[0].encode())],
            hugging, tik)
    rng = random.Random(options.seed)
    texts = [random_text(rng) for _ in range(options.strings)]
    texts = [text for text in texts if END not in text]
    for name, many in (("strings", texts), ("characters", single_characters())):
        failures += compare_texts(
            f"{pattern} {name}", many, lambda part: mgpt.encode_all(part, end), hugging, tik)
    data = rng.randbytes(1_000_000)
    back = mgpt.run("decode", mgpt.run("encode", data))
    failures += report(f"{pattern} bytes and back", 1, [] if back == data else [(b"", [], [], "")])
    return failures


def compare_files(options):
    """Files that one side writes and the other reads."""
    hugging, _ = theirs(options.gpt2, "gpt2")
    hugging.add_special_tokens([END])
    rng = random.Random(options.seed + 1)
    texts = [random_text(rng) for _ in range(2000)]
    end = hugging.token_to_id(END)
    expected = [e.ids for e in hugging.encode_batch(texts)]
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        hugging.save(str(folder / "theirs.json"))
        formats = {"huggingface": "tokenizer.json", "gpt2": "vocab.json", "tiktoken": "a.tiktoken",
               "pairs": "pairs.json"}
        sources = {"tokenizers' own": folder / "theirs.json"}
        for name, file in formats.items():
            subprocess.run(
                [options.mgpt, "tokenizer", "convert", "--tokenizer", str(folder / "theirs.json"),
                 "--out", str(folder / file), "--format", name],
                check=True, capture_output=True)
            sources[name] = folder / file
        for name, path in sources.items():
            ours = Mgpt(options.mgpt, path, "gpt2").encode_all(texts, end)
            found = [(t, o, e, "tokenizers") for t, o, e in zip(texts, ours, expected) if o != e]
            failures += report(f"file {name}", len(texts), found)
        read = Tokenizer.from_file(str(folder / "tokenizer.json"))
        found = [e.ids for e in read.encode_batch(texts)]
        failures += report("our tokenizer.json in tokenizers", len(texts), [
            (t, o, e, "tokenizers") for t, o, e in zip(texts, found, expected) if o != e])
        ranks = tiktoken.load.load_tiktoken_bpe(str(folder / "a.tiktoken"))
        read = tiktoken.Encoding("a", pat_str=GPT2, mergeable_ranks=ranks, special_tokens={})
        failures += report("our .tiktoken in tiktoken", len(texts), [
            (t, read.encode_ordinary(t), e, "tokenizers")
            for t, e in zip(texts, expected) if read.encode_ordinary(t) != e])
        for path in options.data:
            failures += compare_training(options, path, folder, 2000)
    return failures


def train_theirs(text, size):
    """`BpeTrainer` with our rules: all bytes, pairs that occur twice; without the end token."""
    hugging = Tokenizer(models.BPE())
    hugging.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    hugging.train_from_iterator([text], trainers.BpeTrainer(
        vocab_size=size - 1, min_frequency=2, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return hugging


def compare_training(options, path, folder, size):
    """The merges learned from one file."""
    target = folder / "learned.json"
    subprocess.run(
        [options.mgpt, "tokenizer", "train", "--data", str(path), "--vocab-size", str(size),
         "--out", str(target), "--force"], check=True, capture_output=True)
    ours = [tuple(m) for m in json.loads(target.read_text())["model"]["merges"]]
    text = path.read_bytes().decode("utf-8", "replace")
    other = json.loads(train_theirs(text, size).to_str())["model"]["merges"]
    other = [tuple(m) for m in other]
    first = next((i for i, (a, b) in enumerate(zip(ours, other)) if a != b), None)
    same = first is None and len(ours) == len(other)
    return report(f"merges learned from {path.name}", len(ours),
                  [] if same else [(f"merge {first}", ours[-1:], other[-1:], "BpeTrainer")])


def freeze(options):
    """A small tokenizer of ours, and strings with the ids that `tokenizers` gives."""
    target = options.freeze / "bpe-512.json"
    subprocess.run(
        [options.mgpt, "tokenizer", "train", "--data", str(options.data[0]), "--vocab-size", "512",
         "--out", str(target), "--force"], check=True, capture_output=True)
    rng = random.Random(options.seed)
    texts = [random_text(rng) for _ in range(400)]
    cases = {"tokenizers": tokenizers.__version__, "tiktoken": tiktoken.__version__, "cases": []}
    content = json.loads(target.read_text())
    alphabet = byte_alphabet()
    ranks = {
        bytes(alphabet[c] for c in token): rank
        for token, rank in content["model"]["vocab"].items() if token != END
    }
    for pattern, (first, second) in PATTERNS.items():
        hugging = Tokenizer.from_file(str(target))
        if pattern != "gpt2":
            hugging.pre_tokenizer = pre_tokenizers.Sequence([
                pre_tokenizers.Split(Regex(first), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ])
        tik = tiktoken.Encoding("f", pat_str=second, mergeable_ranks=ranks, special_tokens={})
        for text in texts[: 150 if pattern == "gpt2" else 90]:
            ids = hugging.encode(text).ids
            if ids != tik.encode_ordinary(text):
                print(f"tokenizers and tiktoken differ: {pattern} {text!r}", file=sys.stderr)
                return 1
            cases["cases"].append([pattern, text, ids])
    lines = [json.dumps(case, ensure_ascii=True) for case in cases.pop("cases")]
    head = json.dumps(cases)[:-1]
    (options.freeze / "bpe-cases.json").write_text(
        head + ', "cases": [\n' + ",\n".join(lines) + "\n]}\n")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mgpt", default=".build/release/mgpt")
    parser.add_argument("--gpt2", type=Path)
    parser.add_argument("--data", type=Path, nargs="*", default=[])
    parser.add_argument("--strings", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--freeze", type=Path)
    options = parser.parse_args()
    if options.freeze:
        return freeze(options)
    if not options.gpt2:
        parser.error("--gpt2 is missing")
    print(f"tokenizers {tokenizers.__version__}, tiktoken {tiktoken.__version__}")
    end = json.loads((options.gpt2 / "vocab.json").read_text())[END]
    failures = sum(compare_pattern(pattern, options, end) for pattern in PATTERNS)
    failures += compare_files(options)
    print("all agree" if failures == 0 else f"{failures} differences")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
