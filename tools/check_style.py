#!/usr/bin/env python3
"""Checks what the formatters don't: layout of every text file, length of sources, forbidden words.

    every file     UTF-8, LF, a final newline, no trailing blanks, no tabs (Makefile excepted)
    sources        at most 100 columns; the first line is a comment (or #!) that says what it is
    Swift, C       at most 300 and 400 lines
    Sources        no try!, no fatalError, no FIXME or XXX
    Python, shell  compiles: ast.parse, bash -n

Not here: formatting (swift format, clang-format), layers (check_layers.py). Looks at the files that
git tracks or would track.

Usage: tools/check_style.py [--self-test]
Exit code 0 if all is well, 1 with one line per fault.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = 100
LINE_LIMITS = {".swift": 300, ".c": 400, ".h": 400}
BINARY = {".safetensors", ".png", ".bin"}
SOURCES = {".swift", ".c", ".h", ".def", ".py", ".sh"}
# Files that may be longer, each with the reason in its first comment.
LONGER = {"Package.swift"}
FIRST_LINE = {
    ".swift": r"//",
    ".c": r"/\*|//",
    ".h": r"/\*|//",
    ".def": r"/\*|//",
    ".py": r'#!|"""|#',
    ".sh": r"#!",
}
# A message in quotes is not cut up for the sake of a few columns: literals don't count in a line
# that is otherwise this short.
LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"')
BESIDE_LITERALS = 40
FORBIDDEN = re.compile(r"\btry!|\bfatalError\s*\(|\b(?:FIXME|XXX)\b")


def kind_of(name, text):
    """The suffix that decides the rules; a script without one is known by its first line."""
    suffix = Path(name).suffix
    if not suffix and re.match(r"#!.*\bbash\b|#!/bin/sh", text):
        return ".sh"
    return suffix


def check(name, data):
    """The faults of one file: `name` relative to the root, `data` its bytes."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return [f"{name}: not UTF-8 at byte {error.start}."]
    faults = []
    kind = kind_of(name, text)
    if text and not text.endswith("\n"):
        faults.append(f"{name}: no newline at the end.")
    if text.endswith("\n\n"):
        faults.append(f"{name}: blank lines at the end.")
    lines = text.split("\n")[:-1]
    for number, line in enumerate(lines, 1):
        where = f"{name}:{number}"
        if line != line.rstrip():
            faults.append(f"{where}: blanks or a carriage return at the end of the line.")
        if "\t" in line and Path(name).name != "Makefile":
            faults.append(f"{where}: a tab. Use spaces.")
        short = len(LITERAL.sub("", line)) <= BESIDE_LITERALS
        if kind in SOURCES and len(line) > COLUMNS and not short:
            faults.append(f"{where}: {len(line)} columns, expected at most {COLUMNS}.")
        found = FORBIDDEN.search(line)
        if found and name.startswith("Sources/"):
            faults.append(f"{where}: {found[0]} is not used here. Throw an error, or precondition.")
    limit = LINE_LIMITS.get(kind)
    if limit and len(lines) > limit and name not in LONGER:
        faults.append(f"{name}: {len(lines)} lines, expected at most {limit}. Split it.")
    first = lines[0] if lines else ""
    if kind in FIRST_LINE and not re.match(FIRST_LINE[kind], first):
        faults.append(f"{name}:1: the first line must be a comment that says what the file is.")
    if kind == ".py":
        try:
            ast.parse(text)
        except SyntaxError as error:
            faults.append(f"{name}:{error.lineno}: {error.msg}.")
    if kind == ".sh":
        result = subprocess.run(["bash", "-n"], input=data, capture_output=True, check=False)
        if result.returncode:
            faults.append(f"{name}: {result.stderr.decode(errors='replace').strip()}")
    return faults


def self_test():
    """Plants each kind of fault and demands exactly it; a clean file must stay clean."""
    plants = [  # (name, bytes, expected part of the only fault or None)
        ("a.swift", b"// A.\nlet a = 1\n", None),
        ("tools/a", b"#!/bin/bash\nif true; then echo; fi\n", None),
        ("Makefile", b"a:\n\ttrue\n", None),
        ("a.md", b"x" * 200 + b"\n", None),
        ("a.md", b"x", "no newline"),
        ("a.md", b"x\n\n", "blank lines at the end"),
        ("a.md", b"x \n", "a.md:1: blanks"),
        ("a.md", b"x\r\n", "carriage return"),
        ("a.md", b"\xff\n", "not UTF-8 at byte 0"),
        ("a.c", b"/* A. */\n\tint a;\n", "a.c:2: a tab"),
        ("a.c", b"/* A. */\n" + b"x" * 101 + b"\n", "101 columns"),
        ("a.swift", b"// A.\n" + b'  error("' + b"x" * 101 + b'")\n', None),
        ("a.c", b"int a;\n", "first line"),
        ("a.swift", b"// A.\n" * 301, "301 lines"),
        ("Sources/a.swift", b"// A.\ntry! f()\n", "try!"),
        ("Sources/a.swift", b'// A.\nfatalError("x")\n', "fatalError"),
        ("a.py", b"# A.\ndef f(:\n", "a.py:2"),
        ("a.sh", b"#!/bin/bash\nif true; then\n", "syntax error"),
    ]
    failures = []
    for name, data, expected in plants:
        found = check(name, data)
        right = found == [] if expected is None else len(found) == 1 and expected in found[0]
        if not right:
            failures.append(f"{name} {data[:40]!r}: found {found}, expected {expected!r}")
    print("\n".join(failures) or f"self-test: {len(plants)} planted cases, all right")
    return 1 if failures else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    if arguments:
        print(__doc__)
        return 64
    git = ["git", "-c", "safe.directory=*"]  # CI may check out as another user
    listing = subprocess.run(
        [*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = [name for name in listing.stdout.decode().split("\0") if name]
    names = [n for n in names if (ROOT / n).is_file() and Path(n).suffix not in BINARY]
    faults = [fault for name in names for fault in check(name, (ROOT / name).read_bytes())]
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print(f"style: {len(names)} files, no fault")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
