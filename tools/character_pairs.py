#!/usr/bin/env python3
"""BPE on characters, as a vocab.json of two lists has it: a reference, and the tests' fixture.

The file is {"vocab": [token, ...], "merges": [[left, right], ...]}; a token's place is its id, and
<|bos|> and <|eos|> stand for no text. What encoding means, after what randyGPT's program
(MonumentalSystems/RandyGPT: src/tokenizer.rs, scripts/tokenizer_randygpt.py) does:

  - a line feed is a token of its own, if there is one; nothing merges across it
  - each other character is the token that it is; characters without one are left out
  - of all merges that apply to neighbours, the one with the lowest id of its result comes first,
    everywhere in the line, from left to right; then the next, until none applies
  - decoding writes tokens one behind the other, and nothing for <|bos|> and <|eos|>

Usage: tools/character_pairs.py --data FILE [--out Tests/Fixtures/pairs-characters.json]

FILE is a text to learn from. Needs Python only; written for clarity, not speed.
"""

import argparse
import collections
import json
import random
from pathlib import Path

BEGIN, END = "<|bos|>", "<|eos|>"
FOREIGN = "naïve café, Ελλάς и мир; 中文 中文 ﬁn “quoted” — e\u0301 😀\n" * 40
STRANGE = "ß½ø\u2028\r\t\x00אשדЖ👩\u200d👧"


def learn(text, size):
    """A vocabulary: characters in the order of their code points, then the commonest pairs."""
    vocabulary = [BEGIN, END, *sorted(set(text))]
    lines = [list(line) for line in text.split("\n")]
    merges = []
    while len(vocabulary) < size:
        counts = collections.Counter(pair for line in lines for pair in zip(line, line[1:]))
        known = set(vocabulary)
        # A pair whose text is a token already would make that token twice.
        pairs = [(-n, pair) for pair, n in counts.items() if n > 1 and "".join(pair) not in known]
        if not pairs:
            break
        pair = min(pairs)[1]
        merges.append(list(pair))
        vocabulary.append("".join(pair))
        lines = [joined(line, {pair}) for line in lines]
    return vocabulary, merges


def joined(parts, pairs):
    """`parts` with neighbours that are one of `pairs` made one, from left to right."""
    result = []
    position = 0
    while position < len(parts):
        if tuple(parts[position : position + 2]) in pairs:
            result.append(parts[position] + parts[position + 1])
            position += 2
        else:
            result.append(parts[position])
            position += 1
    return result


def encode(vocabulary, merges, text):
    """The ids of a text."""
    ids = {token: index for index, token in enumerate(vocabulary)}
    by_result = collections.defaultdict(set)
    for left, right in merges:
        by_result[left + right].add((left, right))
    order = sorted(by_result, key=ids.get)
    result = []
    for number, line in enumerate(text.split("\n")):
        if number > 0 and "\n" in ids:
            result.append(ids["\n"])
        parts = [character for character in line if character in ids]
        while True:
            present = set(zip(parts, parts[1:]))
            token = next((t for t in order if by_result[t] & present), None)
            if token is None:
                break
            parts = joined(parts, by_result[token])
        result.extend(ids[part] for part in parts)
    return result


def random_text(rng, text):
    """Some cuttings of the text, with strange characters and line feeds between them."""
    pieces = []
    for _ in range(rng.randint(1, 6)):
        start = rng.randrange(len(text))
        pieces.append(text[start : start + rng.randint(1, 40)])
        if rng.random() < 0.4:
            pieces.append(rng.choice(STRANGE) * rng.randint(1, 3))
        if rng.random() < 0.2:
            pieces.append("\n" * rng.randint(1, 3))
    return "".join(pieces)


def main():
    """Learns, encodes, writes the fixture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True)
    fixture = Path(__file__).parent.parent / "Tests/Fixtures/pairs-characters.json"
    parser.add_argument("--out", type=Path, default=fixture)
    options = parser.parse_args()
    text = options.data.read_text(encoding="utf-8")[:100_000] + FOREIGN
    vocabulary, merges = learn(text, 400)
    # Two merges with one result, and merges that are not in the order of their results.
    vocabulary += ["xyz", "xy", "yz", "wxyz"]
    vocabulary[-4], vocabulary[-2] = vocabulary[-2], vocabulary[-4]
    merges[:0] = [["w", "xyz"], ["xy", "z"], ["x", "yz"], ["x", "y"], ["y", "z"]]
    rng = random.Random(1)
    texts = ["", "\n", "\n\n", "a", "😀", "xyzxyyzwxyzwyz", "aaaaaaa", STRANGE]
    texts += [random_text(rng, text) for _ in range(150)]
    lines = [json.dumps([text, encode(vocabulary, merges, text)]) for text in texts]
    lists = json.dumps({"vocab": vocabulary, "merges": merges})
    options.out.write_text(
        '{"file": ' + lists + ', "cases": [\n' + ",\n".join(lines) + "\n]}\n")


if __name__ == "__main__":
    main()
