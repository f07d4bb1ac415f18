// Files of tokens: ours, nanoGPT's, llm.c's; what is wrong with them, word for word; damaged at
// random.
import Testing

@testable import MicroGPT

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Little-endian numbers.
func numbers(_ values: [Int], width: Int) -> [UInt8] {
  values.flatMap { value in
    (0..<width).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }
}

/// llm.c's header and tokens, of 16 bits for GPT-2, of 32 bits for Llama 3.
func shard(
  _ tokens: [Int], _ kind: LLMCShard = .gpt2, version: Int? = nil, count: Int? = nil
) -> [UInt8] {
  let (magic, usual, width) = kind == .gpt2 ? (20_240_520, 1, 2) : (20_240_801, 7, 4)
  let head = [magic, version ?? usual, count ?? tokens.count]
  return numbers(head + [Int](repeating: 0, count: 253), width: 4) + numbers(tokens, width: width)
}

/// What `pickle.dumps` makes of {"vocab_size": 3, "itos": {0: "\n", 1: "a", 2: "é"}, "stoi": …}.
let pickled = [
  "80027d710028580a000000766f6361625f73697a6571014b03580400000069746f7371027d7103284b0058010000000a"
    + "71044b0158010000006171054b025802000000c3a9710675580400000073746f6971077d71082868044b0068054b01"
    + "68064b0275752e",
  "80049549000000000000007d94288c0a766f6361625f73697a65944b038c0469746f73947d94284b008c010a944b018c"
    + "0161944b028c02c3a994758c0473746f69947d942868044b0068054b0168064b0275752e",
].map(bytes)

private func bytes(_ hexadecimal: String) -> [UInt8] {
  let digits = hexadecimal.compactMap(\.hexDigitValue)
  return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

@Suite struct TokenFolderTests {
  @Test(arguments: pickled)
  func nanoGPTWithCharacters(_ pickle: [UInt8]) throws {
    let here = try TemporaryFolder()
    try here.put("train.bin", numbers([1, 2, 0, 1, 1], width: 2))
    try here.put("val.bin", numbers([2, 2, 0], width: 2))
    try here.put("meta.pkl", pickle)
    let folder = try TokenFolder(here.path)
    #expect(folder.tokenizer.decode([0, 1, 2]) == Array("\naé".utf8))
    #expect(folder.corpus.layout == .stream)
    let split = folder.corpus.training
    #expect(split.tokens.isMapped && split.tokens[0..<5] == [1, 2, 0, 1, 1])
    #expect(split.targetByteCount == 2 + 1 + 1 + 1)
    #expect(folder.corpus.validation.targetByteCount == 2 + 1)
  }

  @Test func hostilePicklesAreNotRun() throws {
    let hostile = bytes(
      "80049522000000000000008c05706f736978948c0673797374656d9493948c076563686f20686994859452942e")
    #expect(
      throws: TokenFileError.foreignPickle(
        path: "m", offset: 28, found: "the instruction STACK_GLOBAL (0x93)")
    ) { try PickledVocabulary(hostile, path: "m") }
    let global = Array("cos\nsystem\n(S'echo hi'\ntR.".utf8)
    #expect(
      throws: TokenFileError.foreignPickle(
        path: "m", offset: 0, found: "the instruction GLOBAL (0x63)")
    ) { try PickledVocabulary(global, path: "m") }
    #expect(
      throws: TokenFileError.foreignPickle(path: "m", offset: 80, found: "the end of the file")
    ) { try PickledVocabulary(Array(pickled[1].prefix(80)), path: "m") }
  }

  @Test(arguments: LLMCShard.allCases)
  func shardsOfLLMC(_ kind: LLMCShard) throws {
    let here = try TemporaryFolder()
    let tokenizer = try FrozenBytePairs.tokenizer()
    let end = Int(try #require(tokenizer.endToken))
    try here.put("x_train_000001.bin", shard([end, 65, 66, end], kind))
    try here.put("x_train_000002.bin", shard([67, 68, 69], kind))
    try here.put("x_val_000000.bin", shard([end, 70, 71], kind))
    #expect(throws: TokenFileError.noTokenizer(folder: here.path)) { try TokenFolder(here.path) }
    let folder = try TokenFolder(here.path, tokenizer: tokenizer)
    let split = folder.corpus.training
    #expect(folder.corpus.layout == .endOfText)
    // The second document lies in two files.
    #expect(split.pieces == [0..<4, 3..<7])
    #expect(split.tokens[2..<6] == [66, Int32(end), 67, 68])
    let row = sampledBatch(1, 4) {
      split.copyRow(from: 2, to: 7, inputs: $0, targets: $1)
    }
    #expect(row?.targets == [[Int32(end), 67, 68, 69]])
  }

  struct Fault: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    let message: String
    var testDescription: String { name + " " + message }
  }

  static let faults: [Fault] = [
    Fault(
      name: "train.bin", bytes: [1, 0, 2],
      message:
        "65 DIR/train.bin is cut off. Found 3 bytes, expected a multiple of 2. Make it again."),
    Fault(
      name: "val.bin", bytes: numbers([1, 2, 6, 1], width: 2),
      message:
        "65 DIR/val.bin is not of this tokenizer. Found the id 6 at token 2, expected 0 to 5. "
        + "Name the tokenizer that made it, or make it again."),
    Fault(
      name: "val.bin", bytes: [1, 0],
      message: "65 DIR/val.bin is too short. Found 1 tokens, expected at least 2. Prepare a longer "
        + "text."),
    Fault(
      name: "meta.pkl", bytes: [0x80, 4, 0x4E, 0x2E],
      message:
        "65 DIR/meta.pkl is no nanoGPT vocabulary. Found the instruction NONE (0x4e) at byte 2, "
        + "expected numbers, texts and dictionaries only. It was not run; prepare the text with "
        + "`mgpt data prepare`."),
    Fault(
      name: "val.bin", bytes: [],
      message: "66 DIR/val.bin is empty. Found 0 bytes, expected some content. Name another file."),
  ]

  @Test(arguments: faults)
  func faultyFiles(_ fault: Fault) throws {
    let here = try TemporaryFolder()
    try here.put("train.bin", numbers([1, 2, 0, 1, 1], width: 2))
    try here.put("val.bin", numbers([2, 2, 0], width: 2))
    try here.put("meta.pkl", pickled[1])
    try here.put(fault.name, fault.bytes)
    #expect(here.failure { _ = try TokenFolder(here.path) } == fault.message)
  }

  @Test func faultyShards() throws {
    let tokenizer = ByteTokenizer()
    let cases: [([UInt8], String)] = [
      (shard([1, 2], version: 2), "its version. Found 2, expected 1. Make it again."),
      (shard([1, 2], .llama3, version: 1), "its version. Found 1, expected 7. Make it again."),
      (shard([1, 2], count: 3), "its header describes. Found 2 tokens, expected 3."),
      (shard([1, 2], .llama3, count: 1), "its header describes. Found 2 tokens, expected 1."),
      (shard([1, 2]) + [0], "is cut off. Found 1029 bytes, expected a multiple of 2."),
      (
        Array(shard([1, 2], .llama3).dropLast(2)),
        "is cut off. Found 1030 bytes, expected a multiple of 4."
      ),
      (shard([1, 70_000], .llama3), "Found the id 70000 at token 1, expected 0 to 257."),
      (shard([1, -2], .llama3), "Found the id 4294967294 at token 1, expected 0 to 257."),
      (Array(shard([1]).prefix(900)), "its header. Found 900 bytes, expected 1024 or more."),
      (shard([1, 300]), "Found the id 300 at token 1, expected 0 to 257."),
    ]
    for (bytes, message) in cases {
      let here = try TemporaryFolder()
      try here.put("a_train.bin", bytes)
      try here.put("a_val.bin", shard([1, 2]))
      let found = here.failure { _ = try TokenFolder(here.path, tokenizer: tokenizer) }
      #expect(found.contains(message), "\(found)")
    }
    let here = try TemporaryFolder()
    try here.put("a_train.bin", shard([1, 2]))
    #expect(
      throws: TokenFileError.lacks(folder: here.path, file: "*_val*.bin")
    ) { try TokenFolder(here.path, tokenizer: tokenizer) }
  }

  /// Each round changes or cuts one file of a good folder: a corpus comes out whose tokens the
  /// tokenizer has, or an error of one line.
  @Test(arguments: ["train.bin", "meta.pkl", "meta.json", "a_train.bin", "b_train.bin"])
  func damagedFilesGiveErrorsOrTokens(_ name: String) throws {
    let here = try TemporaryFolder()
    let whole = try damageable(name, in: here)
    var generator = RandomGenerator(seed: 11)
    var (errors, readable) = (0, 0)
    for round in 0..<200 {
      var damaged = whole
      if round % 2 == 0 { damaged.removeLast(1 + generator.next(below: whole.count)) }
      for _ in 0..<(round % 4) where !damaged.isEmpty {
        damaged[generator.next(below: damaged.count)] = UInt8(generator.next(below: 256))
      }
      try here.put(name, damaged)
      do {
        let folder = try TokenFolder(
          here.path, tokenizer: name.hasSuffix("_train.bin") ? ByteTokenizer() : nil)
        let split = folder.corpus.training
        #expect(
          split.tokens[0..<split.tokens.count].allSatisfy {
            (0..<Int32(folder.tokenizer.vocabularySize)).contains($0)
          })
        readable += 1
      } catch {
        let words = (error as? any UserFacingError)?.description
        #expect(words?.contains("\n") == false, "seed 11, round \(round): \(error)")
        errors += 1
      }
    }
    #expect(errors > 80 && errors + readable == 200)
  }

  private func damageable(_ name: String, in here: TemporaryFolder) throws -> [UInt8] {
    switch name {
    case "a_train.bin":
      try here.put("a_val.bin", shard([1, 2]))
      return shard([1, 2, 257, 3, 4, 5])
    case "b_train.bin":
      try here.put("b_val.bin", shard([1, 2], .llama3))
      return shard([1, 2, 257, 3, 4, 5], .llama3)
    case "meta.json":
      try here.put("t.txt", Array(String(repeating: "some text\n", count: 40).utf8))
      _ = try DataPreparation(
        of: TextSource(here.file("t.txt")), layout: nil, vocabulary: .kind(.character, size: nil),
        to: here.path
      ).run()
      return try here.content("meta.json")
    default:
      try here.put("train.bin", numbers([1, 2, 0, 1, 1], width: 2))
      try here.put("val.bin", numbers([2, 2, 0], width: 2))
      try here.put("meta.pkl", pickled[1])
      return try here.content(name)
    }
  }
}
