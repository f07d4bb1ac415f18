#!/usr/bin/env python3
"""Cycles of the hot loops on a Cortex-A76 (Raspberry Pi 5), from their instructions alone, and the
speed that follows from them.

Compiles the back ends neon and neon_dotprod for AArch64 as SwiftPM does, finds the hot loops in the
machine code (arm_loops.py), has llvm-mca of LLVM 19 count their cycles, derives tokens per second
(arm_predict.py) and writes tools/bench/cortex-a76.md. Not here: running anything on a Pi, or under
QEMU (test-kernels-arm.sh).

Usage: tools/arm_report.py [--self-test | --check] [--output FILE]

--check writes nothing: the file must be what would be written. A table that another compiler made
can't be compared; bars hold for every compiler.

CC names the clang (clang), LLVM_BIN a folder with llvm-mca and llvm-objdump of LLVM 19.
Exit codes: 0 all bars met, 1 a bar missed (the table is written all the same) or the file differs,
65 a loop was not found, 69 a tool is missing.
"""

import argparse
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import arm_loops
import arm_predict

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "tools/bench/cortex-a76.md"
# What SwiftPM passes in a release build (Package.swift adds NDEBUG and c17).
FLAGS = ["-std=c17", "-O2", "-fPIC", "-g", "-fno-omit-frame-pointer", "-DNDEBUG=1"]
TARGET = "aarch64-linux-gnu"
# Its model of the Cortex-A76 is the A57's, which has one such pipe; the Neoverse N1 is its twin.
MCA = ["-mtriple=" + TARGET, "-mcpu=neoverse-n1", "-mattr=+dotprod,+fullfp16", "-json"]
LLVM_VERSION = 19
# Cycles per iteration are the difference between these two lengths: no filling of the pipeline.
FEW, MANY = 200, 600
# Instructions that the core decodes per cycle, which the model doesn't know.
DECODED = 4

FMLA, SDOT = frozenset(["fmla"]), frozenset(["sdot"])
WIDENING = frozenset(["smull", "smull2", "smlal", "smlal2"])
DIVIDE = frozenset(["fdiv"])


@dataclass(frozen=True)
class Loop:
    """A loop of the table: what it is for, where it is, which instructions count."""

    title: str
    symbol: str
    kinds: frozenset
    bar: float = 0.0
    # Where the dot product is missing, bytes are multiplied by widening: other kinds, no bar.
    integer: bool = False
    # The back ends it is shown for.
    ends: tuple = ("neon_dotprod", "neon")

    def kinds_for(self, back_end):
        """The counted instructions in that back end."""
        return WIDENING if self.integer and back_end == "neon" else self.kinds


LOOPS = [
    Loop("float32 tile", "gemm_block_f32", FMLA, bar=1.8),
    Loop("int8 tile, by rows", "gemm_block_q8", SDOT, bar=1.7, integer=True),
    Loop("int8 tile, by blocks", "gemm_block_q8b", SDOT, integer=True),
    Loop("float32 matrix-vector", "vector_one", FMLA),
    Loop("int8 matrix-vector, by rows", "q8_row_one_group", SDOT, integer=True),
    Loop("the same, two tokens", "q8_row_two_group", SDOT, integer=True),
    Loop("int8 matrix-vector, by blocks", "q8_block_one_group", SDOT, integer=True),
    Loop("int4 matrix-vector", "q4_block_one_group", SDOT, integer=True),
    Loop("attention, product", "product_add", FMLA),
    Loop("attention, scores", "product_probability", FMLA),
    Loop("attention, transposed product", "product_transposed", FMLA),
    Loop("attention over the cache", "attention_query", FMLA),
    Loop("softmax's exp", "softmax_f32", FMLA),
    Loop("exp", "exp_f32", FMLA),
    Loop("AdamW", "adamw_f32", DIVIDE),
    Loop("peak of multiply-adds", "fma_peak_f32", FMLA, bar=1.8),
    Loop("peak of int8 products", "dot_peak_q8", SDOT, bar=1.7, ends=("neon_dotprod",)),
]
BACK_ENDS = ["neon_dotprod", "neon"]


class Failure(Exception):
    """One line for the user, and the exit code."""

    def __init__(self, message, code):
        super().__init__(message)
        self.code = code


def run(command, text=None):
    """Standard output of a command; its first lines of complaint otherwise."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = " ".join(done.stderr.split("\n")[:4])
        raise Failure(f"{Path(command[0]).name} failed: {lines}", 69)
    return done.stdout


def llvm_tool(name):
    """The path of a tool of LLVM 19."""
    folder = os.environ.get("LLVM_BIN")
    places = [f"{folder}/{name}"] if folder else [
        f"{name}-{LLVM_VERSION}", f"/usr/lib/llvm-{LLVM_VERSION}/bin/{name}", name]
    for place in places:
        path = shutil.which(place)
        if path and re.search(rf"LLVM version {LLVM_VERSION}\.", run([path, "--version"])):
            return path
    raise Failure(
        f"{name} of LLVM {LLVM_VERSION} is missing. Looked for {', '.join(places)}. "
        f"Run: sudo apt install -y llvm-{LLVM_VERSION}, or set LLVM_BIN to the folder it is in.", 69)


def compiler():
    """The clang that compiles for AArch64, and the first line of its version."""
    name = os.environ.get("CC", "clang")
    path = shutil.which(name)
    if not path:
        raise Failure(
            f"no {name}. Put Swift's toolchain into PATH, or run: sudo apt install -y clang", 69)
    probe = subprocess.run(
        [path, "--target=" + TARGET, "-fsyntax-only", "-x", "c", "-"],
        input="#include <arm_neon.h>\n#include <string.h>\n#include <math.h>\n",
        capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        raise Failure(
            f"{name} compiles nothing for {TARGET}: {probe.stderr.strip().splitlines()[0]} "
            "Run: sudo apt install -y gcc-aarch64-linux-gnu", 69)
    version = run([path, "--version"]).splitlines()[0]
    return path, re.sub(r" \(https?:.*\)", "", version)


def listing(clang, objdump, back_end, folder):
    """The functions of a back end as compiled."""
    source, target = ROOT / f"Sources/CKernels/isa/{back_end}.c", f"{folder}/{back_end}.o"
    include = f"-I{ROOT}/Sources/CKernels/include"
    run([clang, "--target=" + TARGET, *FLAGS, include, "-c", str(source), "-o", target])
    return arm_loops.functions(run([objdump, "-d", "--no-show-raw-insn", target]))


def total_cycles(report):
    """Cycles of all iterations, from the JSON of llvm-mca."""
    return json.loads(report)["CodeRegions"][0]["SummaryView"]["TotalCycles"]


def mca_lines(path):
    """A loop as llvm-mca shall see it.

    A store that moves its address is one instruction there, whose new address waits for what is
    stored: every loop that writes would be one long chain. The core makes two operations of it, as
    here.
    """
    lines = []
    for instruction in path:
        text = instruction.text()
        moved = re.match(r"(st\w+) (.*), \[(\w+)\], (#\w+)$", text)
        moved = moved or re.match(r"(st\w+) (.*), \[(\w+), (#\w+)\]!$", text)
        if moved:
            lines.append(f"{moved[1]} {moved[2]}, [{moved[3]}]")
            step = int(moved[4][1:], 0)
            lines.append(f"{'sub' if step < 0 else 'add'} {moved[3]}, {moved[3]}, #{abs(step)}")
        else:
            lines.append(text)
    return lines


def cycles(mca, path):
    """Cycles per iteration of a loop."""
    text = "\n".join(mca_lines(path)) + "\n"
    few, many = (
        total_cycles(run([mca, *MCA, f"-iterations={n}"], text)) for n in (FEW, MANY))
    return max((many - few) / (MANY - FEW), len(path) / DECODED)


@dataclass(frozen=True)
class Row:
    """A loop as measured."""

    loop: Loop
    back_end: str
    cycles: float
    instructions: int
    counted: int
    spills: int
    function_spills: int
    function_vector_spills: int

    @property
    def rate(self):
        """Counted instructions per cycle."""
        return self.counted / self.cycles

    def faults(self):
        """The bars it misses."""
        name = f"{self.loop.title} ({self.back_end}, {self.loop.symbol})"
        integer = self.loop.integer and self.back_end == "neon"
        if self.loop.bar and not integer and self.rate < self.loop.bar:
            yield f"{name}: {self.rate:.2f} of 2 pipes, expected at least {self.loop.bar}."
        if self.spills:
            yield f"{name}: {self.spills} reads or writes of the stack in the loop, expected none."


def measure(mca, functions, back_end):
    """The rows of a back end."""
    rows = []
    for loop in LOOPS:
        if back_end not in loop.ends:
            continue
        code, kinds = functions.get(loop.symbol), loop.kinds_for(back_end)
        path = code and arm_loops.hot_loop(code, kinds)
        if not path:
            raise Failure(
                f"{back_end} has no loop with {'/'.join(sorted(kinds))} in {loop.symbol}: was it "
                "renamed? Its place is in LOOPS of tools/arm_report.py.", 65)
        rows.append(Row(
            loop, back_end, cycles(mca, path), len(path), arm_loops.count(path, kinds),
            arm_loops.spills(path), *arm_loops.spills_of_function(code)))
    return rows


def table(rows):
    """The rows of one back end as Markdown."""
    yield ("| loop | function | cycles | instructions | counted | per cycle | bar | stack: in the loop "
           "| in the function |")
    yield "| --- " * 9 + "|"
    for row in rows:
        kinds = row.loop.kinds_for(row.back_end)
        name = {FMLA: "FMLA", SDOT: "SDOT", WIDENING: "SMULL, SMLAL", DIVIDE: "FDIV"}[kinds]
        bar = f"{row.loop.bar}" if row.loop.bar and kinds is not WIDENING else "–"
        missed = " **missed**" if any(row.faults()) else ""
        yield (
            f"| {row.loop.title} | `{row.loop.symbol}` | {row.cycles:.2f} | {row.instructions} | "
            f"{row.counted} {name} | {row.rate:.2f} | {bar}{missed} | {row.spills} | "
            f"{row.function_spills} ({row.function_vector_spills}) |")


INTRODUCTION = """# Cortex-A76: cycles of the hot loops, and the speed that follows

Written by `make arm-report`, from the machine code of the back ends; do not edit. Nobody has run
this on a Raspberry Pi yet: every figure here is a prediction, to be checked with `mgpt bench
--report`.

- Compiler: {compiler}, `--target={target} {flags}`.
- Cycles: {mca}, `-mcpu=neoverse-n1`: the server twin of the Cortex-A76, whose own
  model in LLVM is that of the Cortex-A57 and wrong by two. Per iteration, from {few} and {many}
  iterations; at least a quarter of the instructions, because the core decodes four per cycle, which
  the model does not know.
- Counted: the instructions that do the work; the core starts two FMLA, SDOT or widening
  multiplications per cycle. Without a bar: what the loop does beside them sets the pace. By blocks
  of 32, eight SDOT come with one zero, one conversion and one FMLA: 1.45 per cycle at most.
- Bars: those in the table, and no read or write of the stack (through stack or frame pointer) in
  any of the loops. In the function they are outside the loops shown or on slower ways through them,
  in brackets those of vector registers, without the saving of registers at its ends.
- The model knows no cache: every load hits the first level. It takes four cycles for a chain of
  FMLA, where the core forwards sums in two. A store that moves its address is given to it as two
  instructions (`mca_lines`).

## Back end `neon_dotprod` (Raspberry Pi 5)

"""

BETWEEN = """
## Back end `neon` (Raspberry Pi 4)

The pipes of a Cortex-A72 are others: this table shows instructions and the stack; its cycles are
those of a Cortex-A76. Bytes are multiplied by widening.

"""


def document(rows, compiler_version, mca_version):
    """The whole table."""
    by_end = {end: [r for r in rows if r.back_end == end] for end in BACK_ENDS}
    introduction = INTRODUCTION.format(
        compiler=compiler_version, target=TARGET, flags=" ".join(FLAGS), mca=mca_version, few=FEW,
        many=MANY)
    first, second = ("\n".join(table(by_end[end])) + "\n" for end in BACK_ENDS)
    cycles_of = {r.loop.symbol: (r.cycles, r.counted) for r in by_end["neon_dotprod"]}
    return introduction + first + BETWEEN + second + "\n" + arm_predict.section(ROOT, cycles_of)


def write_whole(path, text):
    """Writes a file aside and puts it in place in one step."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".new")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def comparison(path, text):
    """What there is to say of the file at `path`, which should be `text`; whether it is a fault."""
    found = path.read_text(encoding="utf-8") if path.exists() else ""
    if found == text:
        return f"{path.name} is what the code gives.", False
    old, new = (re.search(r"^- Compiler: (.*?),", t, re.M) for t in (found, text))
    if old and new and old[1] != new[1]:
        return f"{path.name} is of {old[1]}, here is {new[1]}: only bars are checked.", False
    pairs = itertools.zip_longest(found.split("\n"), text.split("\n"), fillvalue="nothing")
    number, pair = next((i, p) for i, p in enumerate(pairs, 1) if p[0] != p[1])
    return (f"{path.name} is not what the code gives. Line {number}: found {pair[0]!r}, expected "
            f"{pair[1]!r}. Run make arm-report and commit the table."), True


def report(output, check):
    """Makes the table, or compares it; returns the bars that were missed and the differences."""
    clang, compiler_version = compiler()
    mca, objdump = llvm_tool("llvm-mca"), llvm_tool("llvm-objdump")
    version = re.search(r"LLVM version [\d.]+", run([mca, "--version"]))[0]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for back_end in BACK_ENDS:
            rows += measure(mca, listing(clang, objdump, back_end, folder), back_end)
    text = document(rows, compiler_version, f"llvm-mca of {version}")
    faults = [fault for row in rows for fault in row.faults()]
    if check:
        words, is_fault = comparison(output, text)
        if is_fault:
            faults.append(words)
        else:
            print(f"arm-report: {words}")
        return faults
    write_whole(output, text)
    print(f"arm-report: {output.name} is written, {len(faults)} bars missed")
    return faults


def self_test():
    """Parsers and arithmetic on texts whose result is known: needs neither LLVM nor a network."""
    faults = arm_loops.self_test() + arm_predict.self_test(ROOT)
    sample = arm_loops.Instruction(0, "str", "q16, [x9], #0x10")
    expected = ["str q16, [x9]", "add x9, x9, #16"]
    if mca_lines([sample]) != expected:
        faults.append(f"store that moves: found {mca_lines([sample])}, expected {expected}.")
    text = '{"CodeRegions":[{"SummaryView":{"TotalCycles":1234}}]}'
    if total_cycles(text) != 1234:
        faults.append(f"JSON of llvm-mca: found {total_cycles(text)}, expected 1234.")
    slow = Row(LOOPS[0], "neon_dotprod", 16.0, 36, 24, 1, 1, 0)
    if len(list(slow.faults())) != 2:
        faults.append(f"a slow tile that spills: found {list(slow.faults())}, expected two faults.")
    fast = Row(LOOPS[0], "neon_dotprod", 12.5, 36, 24, 0, 1, 0)
    if list(fast.faults()):
        faults.append(f"a fast tile: found {list(fast.faults())}, expected no fault.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.md")
        texts = [f"- Compiler: {c}, flags.\n{x}\n" for c, x in ("a1", "b1", "a2")]
        path.write_text(texts[0], encoding="utf-8")
        found = [comparison(path, text)[1] for text in texts + [texts[0] + "more\n"]]
        if found != [False, False, True, True]:
            faults.append(f"faults in tables: found {found}, expected none in the first two.")
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--self-test", action="store_true", help="test the parser, nothing else")
    parser.add_argument("--check", action="store_true", help="compare the file, write nothing")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="tools/bench/cortex-a76.md")
    options = parser.parse_args()
    try:
        faults = self_test() if options.self_test else report(options.output, options.check)
    except Failure as failure:
        print(f"arm-report: {failure}", file=sys.stderr)
        return failure.code
    for fault in faults:
        print(f"arm-report: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
