#!/usr/bin/env python3
"""Writes Sources/MicroGPT/Tokenizer/UnicodeClassTable.swift: which code points are letters, numbers
or white space, as the pre-tokenizer patterns of GPT-2 and GPT-4 mean \\p{L}, \\p{N} and \\s.

Letters and numbers are the general categories L* and N* of the Unicode Character Database in the
version that `tokenizers` 0.23 and `tiktoken` 0.14 use, 16.0; white space is its property
White_Space. PyPI's `unicodedata2` has that version: pip install unicodedata2==16.0.0

Usage: tools/unicode_classes.py [--check]    (--check: compare with the file, write nothing)
"""

import sys
from pathlib import Path

VERSION = "16.0.0"
TARGET = (
    Path(__file__).resolve().parent.parent / "Sources/MicroGPT/Tokenizer/UnicodeClassTable.swift"
)
OTHER, LETTER, NUMBER, SPACE = range(4)
# White_Space of PropList.txt; the property has not changed since Unicode 6.3.
WHITE_SPACE = {*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B)}
WHITE_SPACE |= {0x2028, 0x2029, 0x202F, 0x205F, 0x3000}

HEADER = """\
// Classes of all code points, Unicode {version}. Made by tools/unicode_classes.py: don't edit.

extension UnicodeClasses {{
  /// Where the class changes: distance to the change before, and the class from there on.
  ///
  /// Each number is `distance << 2 | class`, with the classes of `ScalarClass`; the first run
  /// begins at U+0000.
  ///
  /// *Source*: UnicodeData.txt (categories L* and N*) and PropList.txt (White_Space) of {version}.
  static let changes: [UInt32] = [
"""


def class_of(value, category):
    """The class of one code point; surrogates are nothing."""
    if value in WHITE_SPACE:
        return SPACE
    return {"L": LETTER, "N": NUMBER}.get(category(chr(value))[0], OTHER)


def table(category):
    """The numbers of the table."""
    numbers, last, before = [], None, 0
    for value in range(0x110000):
        current = class_of(value, category)
        if current != last:
            numbers.append((value - before) << 2 | current)
            last, before = current, value
    return numbers


def source(numbers):
    """The Swift file."""
    lines, line = [], "   "
    for number in numbers:
        word = f" {number},"
        if len(line) + len(word) > 100:
            lines.append(line)
            line = "   "
        line += word
    lines.append(line)
    return HEADER.format(version=VERSION) + "\n".join(lines) + "\n  ]\n}\n"


def main(arguments):
    try:
        import unicodedata2
    except ImportError:
        print("unicodedata2 is missing. pip install unicodedata2==" + VERSION, file=sys.stderr)
        return 69
    if arguments not in ([], ["--check"]):
        print(__doc__)
        return 64
    if unicodedata2.unidata_version != VERSION:
        found = unicodedata2.unidata_version
        print(f"unicodedata2 has Unicode {found}, expected {VERSION}.", file=sys.stderr)
        return 65
    text = source(table(unicodedata2.category))
    if arguments == ["--check"]:
        same = TARGET.read_text() == text
        print("the table is up to date" if same else "the table differs; run without --check")
        return 0 if same else 1
    TARGET.write_text(text)
    print(f"{TARGET.name}: {len(text.splitlines())} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
