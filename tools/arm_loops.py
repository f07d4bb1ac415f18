"""Loops of AArch64 functions, from the text of llvm-objdump: by control flow, so that no line
number is written down anywhere. Not here: what the loops cost (arm_report.py).

A loop is what lies between the target of a jump backwards, which dominates the jump, and the jump;
an innermost one holds no other. Its hot path is the way round that has the most instructions of
the wanted kind, and of these the shortest: branches to what is left over at the end of a row fall
away.
"""

import re
from dataclasses import dataclass

HEADING = re.compile(r"^[0-9a-f]+ <(.+)>:$")
LINE = re.compile(r"^\s*([0-9a-f]+):\s+(\S+)(?:\s+(.*?))?\s*$")
TARGET = re.compile(r"0x([0-9a-f]+) <")
CONDITIONAL = re.compile(r"^(b\.|bc\.|cbz$|cbnz$|tbz$|tbnz$)")
LEAVES = {"ret", "br", "udf", "brk"}
MEMORY = re.compile(r"^(ld|st)(r|p|ur|nr?|np|\d)")
STACK = re.compile(r"\[sp\b|\[x29\b")
SAVED = re.compile(r"^(x(19|2\d|30)|d([89]|1[0-5]))$")
# Lengths of paths grow with the square of the branches; loops of kernels have a handful.
MOST_PATHS = 4096


@dataclass(frozen=True)
class Instruction:
    """One line: address, mnemonic, operands, and where it jumps to within its function."""

    address: int
    name: str
    operands: str
    target: int = -1

    def on_stack(self):
        """Whether it reads or writes memory through the stack or frame pointer."""
        return bool(MEMORY.match(self.name) and STACK.search(self.operands))

    def text(self):
        """As an assembler reads it: no names of symbols, no comments."""
        return f"{self.name} {re.sub('<.*?>|//.*', '', self.operands)}".strip()


def functions(listing):
    """The functions of an output of `llvm-objdump -d --no-show-raw-insn`, by name."""
    found, lines = {}, None
    for text in listing.splitlines():
        if heading := HEADING.match(text):
            lines = found.setdefault(heading[1], [])
        elif lines is not None and (line := LINE.match(text)):
            address, name, operands = int(line[1], 16), line[2], line[3] or ""
            jumps = name == "b" or CONDITIONAL.match(name)
            target = TARGET.search(operands) if jumps else None
            lines.append(Instruction(address, name, operands, int(target[1], 16) if target else -1))
    return found


def blocks_of(instructions):
    """Basic blocks, by the address of the first instruction, and the successors of each."""
    inside = {i.address for i in instructions}
    starts = {instructions[0].address} | {i.target for i in instructions if i.target in inside}
    for here, following in zip(instructions, instructions[1:]):
        if here.target >= 0 or here.name in LEAVES:
            starts.add(following.address)
    blocks, successors, current = {}, {}, None
    for i in instructions:
        if i.address in starts:
            current = blocks.setdefault(i.address, [])
        current.append(i)
    order = sorted(blocks)
    for start, following in zip(order, order[1:] + [None]):
        last = blocks[start][-1]
        reached = [last.target] if last.target in inside else []
        if last.name not in LEAVES and last.name != "b" and following is not None:
            reached.append(following)
        successors[start] = reached
    return blocks, successors


def dominators(successors, entry):
    """For each reachable block the blocks that every way from the entry to it passes."""
    reachable, todo = set(), [entry]
    while todo:
        block = todo.pop()
        if block not in reachable:
            reachable.add(block)
            todo.extend(successors[block])
    before = {b: [a for a in reachable if b in successors[a]] for b in reachable}
    result = {b: set(reachable) for b in reachable}
    result[entry] = {entry}
    changed = True
    while changed:
        changed = False
        for b in sorted(reachable - {entry}):
            new = {b} | set.intersection(*(result[a] for a in before[b]))
            if new != result[b]:
                result[b], changed = new, True
    return result, before


def loops_of(instructions):
    """The loops of a function, smallest first: (head, set of blocks), with blocks and successors."""
    blocks, successors = blocks_of(instructions)
    above, before = dominators(successors, instructions[0].address)
    bodies = {}
    for tail in above:
        for head in successors[tail]:
            if head in above[tail]:
                body, todo = bodies.setdefault(head, {head}), [tail]
                while todo:
                    block = todo.pop()
                    if block not in body:
                        body.add(block)
                        todo.extend(before[block])
    return sorted(bodies.items(), key=lambda loop: len(loop[1])), blocks, successors


def ways_round(head, body, successors):
    """The ways from the head of a loop back to it without passing a block twice."""
    found, todo = [], [(head,)]
    while todo and len(found) < MOST_PATHS:
        path = todo.pop()
        for block in successors[path[-1]]:
            if block == head:
                found.append(path)
            elif block in body and block not in path:
                todo.append(path + (block,))
    return found


def count(path, kinds):
    """How many instructions of a path have a name of the set `kinds`."""
    return sum(i.name in kinds for i in path)


def hot_loop(instructions, kinds, level=0):
    """The hot path of the innermost loop with the most instructions of `kinds`, or None.

    With a level of 1 it is the loop around that one: without what is in the inner loop, which runs
    another number of times.
    """
    loops, blocks, successors = loops_of(instructions)
    inner = [(h, b) for h, b in loops if not any(o != h and o in b for o, _ in loops)]
    if not inner:
        return None

    def best(head, body, without=frozenset()):
        def instructions_of(way):
            return [i for block in way if block not in without for i in blocks[block]]

        ways = [instructions_of(way) for way in ways_round(head, body, successors)]
        return max(ways, key=lambda path: (count(path, kinds), -len(path)), default=[])

    def rank(loop):
        way = best(*loop)
        return count(way, kinds), -len(way)

    head, body = max(inner, key=rank)
    if not count(best(head, body), kinds):
        return None
    if level == 0:
        return best(head, body)
    around = [(h, b) for h, b in loops if h != head and body < b]
    return best(*around[level - 1], without=body) if len(around) >= level else None


def spills(path):
    """Reads and writes of the stack on a path."""
    return sum(i.on_stack() for i in path)


def spills_of_function(instructions):
    """The same for a whole function, without the saving of registers at its ends: (all, vectors)."""
    blocks, _ = blocks_of(instructions)
    entry = instructions[0].address
    found = []
    for start, block in blocks.items():
        ends = start == entry or block[-1].name == "ret" or block[-1].name == "b"
        for i in block:
            registers = re.findall(r"\w+", i.operands.split("[")[0])
            if i.on_stack() and not (ends and all(SAVED.match(r) for r in registers)):
                found.append(registers)
    return len(found), sum(bool(re.match("[qv]", r[0])) for r in found if r)


SAMPLE = """
sample.o:\tfile format elf64-littleaarch64

0000000000000000 <sample>:
       0:      \tsub\tsp, sp, #0x20
       4:      \tstp\tx29, x30, [sp, #0x10]
       8:      \tstp\td9, d8, [sp]
       c:      \tmovi\tv0.2d, #0000000000000000
      10:      \tmov\tx9, x1
      14:      \tldr\tq1, [x2], #0x10
      18:      \tfmla\tv0.4s, v1.4s, v2.s[0]
      1c:      \tfmla\tv3.4s, v1.4s, v2.s[1]
      20:      \tcbz\tx4, 0x28 <sample+0x28>
      24:      \tstr\tq0, [sp, #0x10]         // =16
      28:      \tsubs\tx9, x9, #0x1
      2c:      \tb.ne\t0x14 <sample+0x14>
      30:      \tldr\tx7, [sp, #0x8]
      34:      \tsubs\tx0, x0, #0x1
      38:      \tb.ne\t0x10 <sample+0x10>
      3c:      \tfmla\tv0.4s, v1.4s, v2.4s
      40:      \tsubs\tx3, x3, #0x1
      44:      \tb.ne\t0x3c <sample+0x3c>
      48:      \tbl\t0x100 <other>
      4c:      \tldp\td9, d8, [sp]
      50:      \tret

0000000000000054 <straight>:
      54:      \tret
"""


def self_test():
    """Runs the parser on a listing whose loops are known. A list of faults."""
    found, faults = functions(SAMPLE), []

    def expect(what, got, wanted):
        if got != wanted:
            faults.append(f"{what}: found {got}, expected {wanted}.")

    expect("functions", {n: len(f) for n, f in found.items()}, {"sample": 21, "straight": 1})
    sample = found["sample"]
    loops = loops_of(sample)[0]
    expect("heads of loops", sorted(h for h, _ in loops), [0x10, 0x14, 0x3C])
    hot = hot_loop(sample, {"fmla"})
    way = [0x14, 0x18, 0x1C, 0x20, 0x28, 0x2C]
    expect("innermost loop, the shorter way", [i.address for i in hot], way)
    expect("spills there", spills(hot), 0)
    with_store = hot_loop(sample, {"str"})
    expect("the way with the store", len(with_store), 7)
    expect("its spill", spills(with_store), 1)
    around = hot_loop(sample, {"fmla"}, level=1)
    expect("the loop around", [i.address for i in around], [0x10, 0x30, 0x34, 0x38])
    expect("no third loop around", hot_loop(sample, {"fmla"}, level=2), None)
    expect("spills of the function", spills_of_function(sample), (2, 1))
    expect("text for llvm-mca", sample[9].text(), "str q0, [sp, #0x10]")
    expect("a jump", hot[-1].text(), "b.ne 0x14")
    expect("no such instruction", hot_loop(sample, {"sdot"}), None)
    expect("no loop", hot_loop(found["straight"], {"fmla"}), None)
    return faults
