#!/usr/bin/env python3
"""Checks that no layer of the sources names what stands above it.

MicroGPT is one Swift module, so the compiler lets every file use every other; this script does
not. A folder fails when it names a type or a free function that is declared at the top level of a
folder which its row of SWIFT_LAYERS does not list. Comments and the text of string literals are
ignored, interpolated expressions are not. Members of extensions are not followed: an extension
belongs to the folder it stands in.

Usage: tools/check_layers.py [--self-test | --graph]
Exit code 0 if the layers hold, 1 with one line per violation.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Which folders a folder may name besides itself; folders from the lowest to the highest.
SWIFT_LAYERS = {
    "MicroGPT/Core": [],
    "MicroGPT/Tokenizer": ["Core"],  # errors and JSON; no tensors, see FORBIDDEN_NAMES
    "MicroGPT/IO": ["Core"],  # named byte ranges: no graphs, no models
    "MicroGPT/Data": ["Core", "Tokenizer", "IO"],
    "MicroGPT/Benchmark": ["Core"],  # kernels and the machine; no graphs
    "MicroGPT/Graph": ["Core"],
    "MicroGPT/Model": ["Core", "Graph", "IO"],  # token ids only, no text
    # A model file carries its tokenizer and says how its text was cut (CorpusLayout). Its benchmark
    # reports like that of the kernels.
    "MicroGPT/Inference": ["Core", "Benchmark", "Graph", "Model", "IO", "Tokenizer", "Data"],
    # Reads a model file and writes one; compares models on a text.
    "MicroGPT/Quantization": [
        "Core", "Graph", "Model", "IO", "Tokenizer", "Data", "Inference",
    ],
    # Above Inference: a run prints a sample of text at each evaluation, and what it saves is a
    # model file with more in it. Its benchmark reports like that of the kernels.
    "MicroGPT/Training": [
        "Core", "Benchmark", "Graph", "Model", "IO", "Tokenizer", "Data", "Inference",
    ],
    "mgpt/Arguments": ["MicroGPT"],
    "mgpt/Report": ["MicroGPT"],
    "mgpt/Commands": ["MicroGPT", "Arguments", "Report"],
    "mgpt": ["MicroGPT", "Arguments", "Report", "Commands"],
}

# Names of an allowed folder that a folder must not use all the same.
FORBIDDEN_NAMES = {
    "MicroGPT/Tokenizer": ["Arena", "Compute", "Shape", "Tensor", "ElementType"],
}

C_LIBRARY = ["Glibc", "Musl", "Darwin"]
# Modules that a folder may import besides the C library. Foundation is nobody's: without it the
# program starts faster and a static binary is half as large.
IMPORTS = {
    "MicroGPT/Core": ["CKernels"],
    "MicroGPT/Benchmark": ["CKernels"],  # calls every kernel through bench.c
    "MicroGPT/IO": ["CKernels"],  # see CHECKSUM_ONLY
    "MicroGPT/Graph": ["CKernels"],
    "MicroGPT/Quantization": ["CKernels"],  # matrices to and from integers
    "MicroGPT/Training": ["CKernels"],  # the optimizer calls its kernel on parameter ranges
    "mgpt/Arguments": ["MicroGPT"],
    "mgpt/Report": ["MicroGPT"],
    "mgpt/Commands": ["MicroGPT"],
    "mgpt": ["MicroGPT"],
}
# Folders that may use nothing of CKernels but the checksum of files.
CHECKSUM_ONLY = ["MicroGPT/IO"]

# Folders of CKernels whose code computes and does nothing else: no memory, no threads, no files.
KERNEL_FOLDERS = ["isa", "kernels", "vec"]
KERNEL_FORBIDDEN = re.compile(
    r"\b(malloc|calloc|realloc|free|pthread_\w+|mg_pool\w*|f?printf|fopen)\b"
)

DECLARATION = re.compile(
    r"\b(?P<private>private\s+|fileprivate\s+)?(?:final\s+|indirect\s+)*"
    r"(?P<kind>struct|enum|class|protocol|actor|typealias|func)\s+(?P<name>[A-Za-z_]\w*)"
)
IMPORT = re.compile(
    r"^[ \t]*(?:@\w+ +)*(?:public +|internal +)?import +(?:(?:struct|func|class) +)?(\w+)", re.M
)


def code_of(text):
    """The Swift or C source `text` with comments and string literals replaced by blanks.

    Line breaks stay, so that line numbers do; so does the code within `\\( )`."""
    out = []
    position = 0
    # The open literals, innermost last: [delimiter, depth of parentheses of its interpolation].
    literals = []

    def blank(part):
        out.append(re.sub(r"[^\n]", " ", part))

    while position < len(text):
        if literals and literals[-1][1] == 0:  # inside a literal
            quote, pounds = literals[-1][0]
            if text.startswith(quote + pounds, position):
                literals.pop()
                blank(quote + pounds)
                position += len(quote + pounds)
            elif text.startswith("\\" + pounds + "(", position):
                literals[-1][1] = 1
                blank("\\" + pounds + "(")
                position += len(pounds) + 2
            else:
                step = 2 if text[position] == "\\" and not pounds else 1
                blank(text[position : position + step])
                position += step
            continue
        if text.startswith("//", position):
            end = text.find("\n", position)
            end = len(text) if end < 0 else end
            blank(text[position:end])
            position = end
            continue
        if text.startswith("/*", position):  # nested in Swift; C has none inside another
            depth, end = 1, position + 2
            while depth and end < len(text):
                if text.startswith("/*", end):
                    depth, end = depth + 1, end + 2
                elif text.startswith("*/", end):
                    depth, end = depth - 1, end + 2
                else:
                    end += 1
            blank(text[position:end])
            position = end
            continue
        opening = re.compile(r'(#*)("""|")').match(text, position)
        if opening:
            literals.append([(opening.group(2), opening.group(1)), 0])
            blank(opening.group())
            position = opening.end()
            continue
        if literals and text[position] in "()":
            literals[-1][1] += 1 if text[position] == "(" else -1
            if literals[-1][1] == 0:
                blank(")")
                position += 1
                continue
        out.append(text[position])
        position += 1
    return "".join(out)


def declarations(code):
    """(names visible to other files, all names declared anywhere) in stripped Swift code."""
    top, every = set(), set()
    depth, counted = 0, 0
    for match in DECLARATION.finditer(code):
        before = code[counted : match.start()]
        depth += before.count("{") - before.count("}")
        counted = match.start()
        every.add(match["name"])
        if depth == 0 and not match["private"]:
            top.add(match["name"])
    return top, every


def layer_of(path):
    """The row of SWIFT_LAYERS that a path below Sources belongs to, or None."""
    parts = path.split("/")[:-1]
    for length in (2, 1):
        if "/".join(parts[:length]) in SWIFT_LAYERS:
            return "/".join(parts[:length])
    return None


def visible(layer, other):
    """Whether the compiler lets `layer` see `other`: the library can't see the command line."""
    return layer.startswith("mgpt") or other.startswith("MicroGPT")


def may_use(layer, other):
    """Whether `layer` may name what `other` declares."""
    allowed = SWIFT_LAYERS[layer]
    target, _, folder = other.partition("/")
    return layer == other or (target if target != layer.split("/")[0] else folder) in allowed


def check_swift(sources):
    """Violations in {path below Sources: text}, and the uses {(layer, other): names}."""
    problems, uses = [], defaultdict(set)
    codes, tops, own = {}, {}, defaultdict(set)
    for path, text in sources.items():
        layer = layer_of(path)
        if layer is None:
            problems.append(f"Sources/{path}: its folder has no row in tools/check_layers.py.")
            continue
        codes[path] = code_of(text)
        top, every = declarations(codes[path])
        own[layer] |= every
        for name in top:
            tops.setdefault(name, set()).add(layer)
    for path, code in sorted(codes.items()):
        layer = layer_of(path)
        for match in IMPORT.finditer(code):
            module, line = match[1], code.count("\n", 0, match.start(1)) + 1
            if module not in C_LIBRARY + IMPORTS.get(layer, []):
                problems.append(f"Sources/{path}:{line}: {layer} must not import {module}.")
        for match in re.finditer(r"(?<![\w`])[A-Za-z_]\w*", code):
            name, line = match[0], code.count("\n", 0, match.start()) + 1
            if layer in CHECKSUM_ONLY and re.match(r"mg_(?!crc32c)", name):
                problems.append(f"Sources/{path}:{line}: {layer} must not use {name} of CKernels.")
            if name in FORBIDDEN_NAMES.get(layer, []):
                problems.append(f"Sources/{path}:{line}: {layer} must not know {name}.")
            if name not in tops or name in own[layer]:
                continue
            # A member (`.name`) is not a type of another layer, unless its module is spelt out.
            if re.search(r"(?<!MicroGPT)\.\s*$", code[max(0, match.start() - 12) : match.start()]):
                continue
            # A function is named only where it is called: `name(`; not a label or a variable.
            if name[0].islower() and not code.startswith("(", match.end()):
                continue
            # Overloads may stand in several folders; one that may be used is enough.
            others = sorted(o for o in tops[name] if visible(layer, o))
            used = [o for o in others if may_use(layer, o)] or others
            for other in used:
                uses[layer, other].add(name)
            if used and not may_use(layer, used[0]):
                problems.append(
                    f"Sources/{path}:{line}: {layer} must not know {used[0]}. Found {name}."
                )
    return problems, uses


def check_c(sources):
    """Violations in the C files {path below Sources: text}: own headers only, pure kernels."""
    problems = []
    for path, text in sorted(sources.items()):
        for match in re.finditer(r'^\s*#\s*include\s+"([^"]+)"', text, re.M):
            target = path.split("/")[0]
            places = [Path(path).parent / match[1], Path(target, "include", match[1])]
            names = [re.sub(r"[^/]+/\.\./", "", p.as_posix()) for p in places]
            if not any(name in sources for name in names):
                line = text.count("\n", 0, match.start(1)) + 1
                problems.append(f"Sources/{path}:{line}: {target} has no header {match[1]}.")
        if path.split("/")[1] in KERNEL_FOLDERS:
            code = code_of(text)
            for match in KERNEL_FORBIDDEN.finditer(code):
                line = code.count("\n", 0, match.start()) + 1
                problems.append(f"Sources/{path}:{line}: a kernel must not use {match[0]}.")
    return problems


def read_sources():
    """The Swift and the C sources of the tree as {path below Sources: text}."""
    swift, c = {}, {}
    for path in sorted((ROOT / "Sources").rglob("*")):
        name = path.relative_to(ROOT / "Sources").as_posix()
        if path.suffix == ".swift":
            swift[name] = path.read_text(encoding="utf-8")
        elif path.suffix in (".c", ".h", ".def"):
            c[name] = path.read_text(encoding="utf-8")
    return swift, c


def self_test():
    """Plants each kind of fault and demands that it is found, and that lookalikes are not."""
    clean = {
        "MicroGPT/Core/Tensor.swift": "public struct Tensor {}\n",
        "MicroGPT/Graph/Graph.swift": "struct Graph { let x: Tensor }\nprivate struct Hidden {}\n",
        "MicroGPT/Model/GPT.swift": "public final class GPT { struct Result {} }\n"
        "func makeModel() {}\n",
        "mgpt/main.swift": "import MicroGPT\n",
    }
    plants = [  # (path, text, expected part of the only message or None)
        ("MicroGPT/Core/A.swift", "let g: Graph?\n", "A.swift:1: MicroGPT/Core must not know"),
        ("MicroGPT/Graph/A.swift", "\nfunc f() { makeModel() }\n", "A.swift:2: MicroGPT/Graph"),
        ("MicroGPT/Core/A.swift", 'let s = "a \\(GPT.self) b"\n', "Found GPT"),
        ("MicroGPT/Core/A.swift", "let x: MicroGPT.GPT?\n", "Found GPT"),
        ("MicroGPT/Tokenizer/A.swift", "let x: Tensor?\n", "must not know Tensor"),
        ("mgpt/A.swift", "import CKernels\n", "must not import CKernels"),
        ("MicroGPT/Core/A.swift", "import Foundation\n", "must not import Foundation"),
        ("MicroGPT/IO/A.swift", "import CKernels\nlet x = mg_pool()\n", "must not use mg_pool"),
        ("MicroGPT/New/A.swift", "struct A {}\n", "has no row"),
        ("MicroGPT/Core/A.swift", "// Graph\n/* GPT /* GPT */ GPT */\n", None),
        ("MicroGPT/Core/A.swift", 'let s = "GPT \\\\" + #"a " GPT"# + """\n " GPT\n """\n', None),
        ("MicroGPT/Core/A.swift", "let x = this.Graph\nlet makeModel = 1\n", None),
        ("MicroGPT/Core/A.swift", "struct Box { enum Graph {} }\nlet x: Hidden?\n", None),
        ("MicroGPT/Model/A.swift", "let g: Graph?, t: Tensor?\nstruct Result {}\n", None),
    ]
    failures = [f"clean sources: {p}" for p in check_swift(clean)[0]]
    for path, text, expected in plants:
        found = check_swift({**clean, path: text})[0]
        right = found == [] if expected is None else len(found) == 1 and expected in found[0]
        if not right:
            failures.append(f"{path} {text!r}: found {found}, expected {expected!r}")
    header = {"CKernels/include/mg_pool.h": "", "CKernels/vec/vec.h": ""}
    c_plants = [
        ("CKernels/isa/a.c", '#include "../vec/vec.h"\n#include "mg_pool.h"\n', None),
        ("CKernels/pool.c", "void f(void) { free(0); }\n", None),
        ("CKernels/kernels/a.inl.h", "/* malloc */ int malloced;\n", None),
        ("CKernels/a.c", '#include "../MicroGPT/Core.h"\n', "has no header"),
        ("CBuild/a.c", '#include "mg_pool.h"\n', "CBuild has no header"),
        ("CKernels/kernels/a.inl.h", "void f(void) { malloc(1); }\n", "must not use malloc"),
    ]
    for path, text, expected in c_plants:
        found = check_c({**header, path: text})
        right = found == [] if expected is None else len(found) == 1 and expected in found[0]
        if not right:
            failures.append(f"{path} {text!r}: found {found}, expected {expected!r}")
    count = len(plants) + len(c_plants)
    print("\n".join(failures) or f"self-test: {count} planted cases, all right")
    return 1 if failures else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    if arguments not in ([], ["--graph"]):
        print(__doc__)
        return 64
    swift, c = read_sources()
    problems, uses = check_swift(swift)
    problems += check_c(c)
    if arguments:
        for (layer, other), names in sorted(uses.items()):
            print(f"{layer} -> {other}: {', '.join(sorted(names))}")
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(f"layers: {len(swift)} Swift and {len(c)} C files, no violation")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
