// Reads nanoGPT's meta.pkl without running it. A pickle is a program for a small stack machine;
// this one knows the instructions that numbers, texts and dictionaries need, and refuses all
// others.

/// The characters of a vocabulary, as `data/shakespeare_char/prepare.py` of nanoGPT pickles them.
struct PickledVocabulary {
  /// The characters in the order of their ids.
  let characters: [Unicode.Scalar]

  /// Reads `{"vocab_size": n, "itos": {0: "a", …}, "stoi": …}`.
  ///
  /// *Throws* `foreignPickle`, `damaged`.
  ///
  /// *Source* of the instructions: CPython, `Lib/pickletools.py`, protocols 2 to 5.
  init(_ bytes: [UInt8], path: String) throws(TokenFileError) {
    var machine = PickleMachine(bytes, path: path)
    let root = try machine.run()
    func damaged(_ field: String, _ found: String, _ expected: String) -> TokenFileError {
      .damaged(path: path, field: field, found: found, expected: expected)
    }
    guard case .dictionary(let top) = root else {
      throw damaged("its top", "no dictionary", "a dictionary")
    }
    guard case .integer(let size)? = machine.value(in: top, "vocab_size"), size > 0,
      size <= 0x11_0000
    else { throw damaged("vocab_size", "no usable number", "1 to \(0x11_0000)") }
    guard case .dictionary(let table)? = machine.value(in: top, "itos") else {
      throw damaged("itos", "no dictionary", "a dictionary")
    }
    let entries = machine.dictionaries[table]
    guard entries.count == size else {
      throw damaged("itos", "\(entries.count) characters", "\(size)")
    }
    var found = [Unicode.Scalar?](repeating: nil, count: size)
    for (key, value) in entries {
      guard case .integer(let id) = key, found.indices.contains(id), found[id] == nil else {
        throw damaged("itos", "an id that is no new number below \(size)", "each id once")
      }
      guard case .text(let text) = value, let scalar = text.unicodeScalars.first,
        text.unicodeScalars.count == 1
      else { throw damaged("itos[\(id)]", "something else", "one character") }
      found[id] = scalar
    }
    characters = found.compactMap { $0 }
    // Then the ids are those of `CharacterTokenizer`.
    for (one, next) in zip(characters, characters.dropFirst()) where one >= next {
      let (first, second) = (hexadecimal(one.value, digits: 4), hexadecimal(next.value, digits: 4))
      throw damaged(
        "itos", "U+\(second) behind U+\(first)", "ascending code points, as nanoGPT sorts them")
    }
  }
}

/// What the stack holds.
private enum PickleValue {
  case integer(Int)
  case text(String)
  /// An index into `dictionaries`: a dictionary is filled after it was put elsewhere.
  case dictionary(Int)
}

/// The stack machine; every position is checked.
private struct PickleMachine {
  private let bytes: [UInt8]
  private let path: String
  private var position = 0
  private var stack: [PickleValue] = []
  private var marks: [Int] = []
  private var memo: [Int: PickleValue] = [:]
  private(set) var dictionaries: [[(PickleValue, PickleValue)]] = []

  init(_ bytes: [UInt8], path: String) { (self.bytes, self.path) = (bytes, path) }

  func value(in dictionary: Int, _ name: String) -> PickleValue? {
    for case (.text(let key), let value) in dictionaries[dictionary] where key == name {
      return value
    }
    return nil
  }

  mutating func run() throws(TokenFileError) -> PickleValue {
    while true {
      let start = position
      let code = try number(1)
      switch code {
      case 0x80:  // PROTO
        let version = try number(1)
        if !(2...5).contains(version) { throw foreign(start, "protocol \(version)") }
      case 0x95: _ = try take(8)  // FRAME: a hint for readers of streams
      case UInt64(UInt8(ascii: ".")):
        guard let top = stack.last, stack.count == 1, marks.isEmpty else {
          throw foreign(start, "an end with \(stack.count) values")
        }
        return top
      default: try step(code, at: start)
      }
    }
  }

  private mutating func step(_ code: UInt64, at start: Int) throws(TokenFileError) {
    switch UInt8(truncatingIfNeeded: code) {
    case UInt8(ascii: "}"):  // EMPTY_DICT
      stack.append(.dictionary(dictionaries.count))
      dictionaries.append([])
    case UInt8(ascii: "("): marks.append(stack.count)  // MARK
    case UInt8(ascii: "K"): stack.append(.integer(Int(try number(1))))  // BININT1
    case UInt8(ascii: "M"): stack.append(.integer(Int(try number(2))))  // BININT2
    case UInt8(ascii: "J"):  // BININT
      stack.append(.integer(Int(Int32(truncatingIfNeeded: try number(4)))))
    case 0x8C: try pushText(byteCount: try number(1), start)  // SHORT_BINUNICODE
    case UInt8(ascii: "X"): try pushText(byteCount: try number(4), start)  // BINUNICODE
    case 0x94: memo[memo.count] = try top(start)  // MEMOIZE
    case UInt8(ascii: "q"): memo[Int(try number(1))] = try top(start)  // BINPUT
    case UInt8(ascii: "r"): memo[Int(try number(4))] = try top(start)  // LONG_BINPUT
    case UInt8(ascii: "h"): try recall(try number(1), start)  // BINGET
    case UInt8(ascii: "j"): try recall(try number(4), start)  // LONG_BINGET
    case UInt8(ascii: "s"): try setItems(from: stack.count - 2, start)  // SETITEM
    case UInt8(ascii: "u"):  // SETITEMS
      guard let mark = marks.popLast() else { throw foreign(start, "items without a mark") }
      try setItems(from: mark, start)
    default: throw foreign(start, "the instruction \(Self.name(UInt8(truncatingIfNeeded: code)))")
    }
  }

  private mutating func setItems(from first: Int, _ start: Int) throws(TokenFileError) {
    guard first >= max(1, marks.last ?? 0), first <= stack.count, (stack.count - first) % 2 == 0,
      case .dictionary(let index) = stack[first - 1]
    else { throw foreign(start, "items without a dictionary") }
    for i in stride(from: first, to: stack.count, by: 2) {
      dictionaries[index].append((stack[i], stack[i + 1]))
    }
    stack.removeLast(stack.count - first)
  }

  private mutating func pushText(byteCount: UInt64, _ start: Int) throws(TokenFileError) {
    let text = try take(Int(byteCount))
    guard let text = String(validating: text, as: UTF8.self) else {
      throw foreign(start, "a text that is not valid UTF-8")
    }
    stack.append(.text(text))
  }

  private func top(_ start: Int) throws(TokenFileError) -> PickleValue {
    guard let top = stack.last, stack.count > marks.last ?? 0 else {
      throw foreign(start, "nothing to remember")
    }
    return top
  }

  private mutating func recall(_ key: UInt64, _ start: Int) throws(TokenFileError) {
    guard let value = memo[Int(key)] else { throw foreign(start, "nothing remembered as \(key)") }
    stack.append(value)
  }

  private mutating func take(_ count: Int) throws(TokenFileError) -> ArraySlice<UInt8> {
    guard bytes.count - position >= count else { throw foreign(bytes.count, "the end of the file") }
    position += count
    return bytes[position - count..<position]
  }

  /// A little-endian number.
  private mutating func number(_ count: Int) throws(TokenFileError) -> UInt64 {
    try take(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private func foreign(_ offset: Int, _ found: String) -> TokenFileError {
    .foreignPickle(path: path, offset: offset, found: found)
  }

  /// The names of what calls, imports and builds, which is what a hostile file would use.
  private static func name(_ code: UInt8) -> String {
    let names: [UInt8: String] = [
      0x63: "GLOBAL", 0x52: "REDUCE", 0x62: "BUILD", 0x69: "INST", 0x6F: "OBJ", 0x81: "NEWOBJ",
      0x92: "NEWOBJ_EX", 0x93: "STACK_GLOBAL", 0x50: "PERSID", 0x51: "BINPERSID", 0x82: "EXT1",
      0x83: "EXT2", 0x84: "EXT4", 0x5D: "EMPTY_LIST", 0x29: "EMPTY_TUPLE", 0x47: "BINFLOAT",
      0x4E: "NONE", 0x88: "NEWTRUE", 0x89: "NEWFALSE", 0x42: "BINBYTES", 0x43: "SHORT_BINBYTES",
      0x8A: "LONG1", 0x85: "TUPLE1", 0x86: "TUPLE2", 0x87: "TUPLE3",
    ]
    let hex = "0x" + hexadecimal(code, digits: 2)
    return names[code].map { "\($0) (\(hex))" } ?? hex
  }
}

/// The text of bytes; nil if they are not valid UTF-8.
extension String {
  fileprivate init?(validating bytes: ArraySlice<UInt8>, as encoding: UTF8.Type) {
    var place = bytes.startIndex
    let all = Array(bytes)
    while place < bytes.endIndex {
      let start = place - bytes.startIndex
      guard let (_, count) = decodeScalar(in: all, at: start, end: all.count) else { return nil }
      place += count
    }
    self = String(decoding: all, as: UTF8.self)
  }
}
