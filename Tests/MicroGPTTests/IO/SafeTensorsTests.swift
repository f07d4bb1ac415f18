// Reading safetensors files: values, conversion, and every kind of wrong file, word for word.
import Testing

@testable import MicroGPT

@Suite struct SafeTensorsTests {
  // MARK: Good files

  @Test func readsWhatAnotherProgramWrote() throws {
    let folder = try TemporaryFolder()
    // Not in the order of the data, with an empty tensor, a scalar, and no padding: unaligned.
    let header = """
      {"b":{"dtype":"F16","shape":[2],"data_offsets":[4,8]},"none":{"dtype":"F32",\
      "shape":[0,3],"data_offsets":[4,4]},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}
      """
    let data: [UInt8] = [0, 0, 0xC0, 0x3F, 0, 0x3C, 0, 0xC1]
    let file = try SafeTensors(path: folder.put("m", Self.file(header, data)))
    #expect(file.entries.map(\.name) == ["a", "none", "b"])
    #expect(file.entries.map(\.elementCount) == [1, 0, 2])
    #expect(try file.floats(of: "a") == [1.5])
    #expect(try file.floats(of: "none") == [])
    #expect(try file.floats(of: "b") == [1, -2.5])
    #expect(try file.withBytes(of: "b") { Array($0) } == [0, 0x3C, 0, 0xC1])
    #expect(try file.require("b", shape: [2]).dtype == .f16)
    #expect(file.entry(named: "c") == nil && file.metadata.isEmpty && !file.hasChecksums)
    var target: [Float] = [0, 0]
    try target.withUnsafeMutableBufferPointer { try file.read("b", into: $0) }
    #expect(target == [1, -2.5])
  }

  @Test func readsAFileWithoutTensors() throws {
    let folder = try TemporaryFolder()
    let file = try SafeTensors(path: folder.put("m", Self.file("{} ", [])))
    #expect(file.entries.isEmpty)
  }

  @Test func converts() throws {
    let folder = try TemporaryFolder()
    let header = """
      {"h":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},\
      "d":{"dtype":"F64","shape":[1],"data_offsets":[4,12]},\
      "i":{"dtype":"I32","shape":[1],"data_offsets":[12,16]}}
      """
    let data: [UInt8] =
      [0x80, 0x3F, 0x20, 0xC0] + [0, 0, 0, 0, 0, 0, 0xF8, 0xBF] + [1, 0, 0, 0]
    let file = try SafeTensors(path: folder.put("m", Self.file(header, data)))
    #expect(try file.floats(of: "h") == [1, -2.5])
    #expect(try file.floats(of: "d") == [-1.5])
    let message = """
      65 DIR/m can't be used. Found tensor i of type I32, expected F32, F16, BF16 or F64. Convert \
      it with Python's safetensors.
      """
    #expect(folder.failure { _ = try file.floats(of: "i") } == message)
  }

  #if !(os(macOS) && arch(x86_64))
    @Test func everyHalfPrecisionNumber() {
      for bits in UInt16.min...UInt16.max {
        let expected = Float(Float16(bitPattern: bits))
        let found = float(halfBits: bits)
        #expect(found.isNaN ? expected.isNaN : found.bitPattern == expected.bitPattern, "\(bits)")
      }
    }
  #endif

  // MARK: Headers that lie

  static let tensor = #""a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#

  // Headers before four bytes of data; messages without "65 DIR/m has a damaged header. " and
  // the advice at the end.
  static let headers: [(header: String, message: String)] = [
    ("{" + tensor, "Found the end of the text, expected ',' or '}', at byte 53 of the JSON."),
    ("{" + tensor + "}x", "Found 'x', expected the end of the text, at byte 54 of the JSON."),
    (
      "{" + tensor + "," + tensor + "}",
      "Found the key \"a\" twice, expected unique keys, at byte 54 of the JSON."
    ),
    (
      "{\"\u{E9}\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
        + "\"e\u{301}\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}",
      "Found tensor e\u{301} twice, expected unique names."
    ),
    (#"{"__metadata__":[]}"#, "Found __metadata__ of another kind, expected an object."),
    (
      #"{"__metadata__":{"k":1}}"#,
      "Found metadata k of another kind, expected a string."
    ),
    (#"{"a":[]}"#, "Found tensor a without dtype, expected one."),
    (#"{"a":{"dtype":1}}"#, "Found tensor a without dtype, expected one."),
    (
      #"{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}"#,
      "Found tensor a with a bad shape, expected a list of counts."
    ),
    (
      #"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#,
      "Found tensor a with a bad shape, expected a list of counts."
    ),
    (
      #"{"a":{"dtype":"F32","data_offsets":[0,4]}}"#,
      "Found tensor a with a bad shape, expected a list of counts."
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}"#,
      "Found tensor a with bad data_offsets, expected [begin, end]."
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#,
      "Found tensor a with bad data_offsets, expected [begin, end]."
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#,
      "Found tensor a with bad data_offsets, expected [begin, end]."
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1,4611686018427387904],"data_offsets":[0,4]}}"#,
      "Found tensor a of impossible size, expected it to fit memory."
    ),
    (
      #"{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#,
      "Found tensor a of impossible size, expected it to fit memory."
    ),
    (
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#,
      "Found 4 bytes for tensor a, expected 8 by its shape."
    ),
    (
      """
      {"a":{"dtype":"U8","shape":[1],\
      "data_offsets":[9223372036854775806,9223372036854775807]}}
      """,
      "Found tensor a at an impossible place, expected it in the file."
    ),
    (
      """
      {"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},\
      "b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}
      """,
      "Found tensor b at byte 115, expected it at byte 116."
    ),
    (
      """
      {"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},\
      "b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}
      """,
      "Found tensor b at byte 115, expected it at byte 114."
    ),
    (
      #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}}"#,
      "Found tensor a at byte 64, expected it at byte 61."
    ),
    (
      #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#,
      "Found 3 bytes after the last tensor, expected none."
    ),
    ("{}", "Found 4 bytes after the last tensor, expected none."),
  ]

  @Test(arguments: headers) func refusesHeader(header: String, message: String) throws {
    let folder = try TemporaryFolder()
    let path = try folder.put("m", Self.file(header, [0, 0, 0, 0]))
    let expected =
      "65 DIR/m has a damaged header. \(message) Copy the file again or use another checkpoint."
    #expect(folder.failure { _ = try SafeTensors(path: path) } == expected)
  }

  // MARK: Files that are something else

  static let foreign: [(bytes: [UInt8], message: String)] = [
    (
      [0x50, 0x4B, 3, 4, 0, 0, 8, 8, 0, 0],
      "Found a ZIP archive, as PyTorch's .pt and .pth files are, expected a header length and"
        + " JSON. Load it in PyTorch and write it with safetensors.torch.save_file."
    ),
    (
      Array("GGUF".utf8) + [3, 0, 0, 0, 0, 0],
      "Found a GGUF file of llama.cpp, expected a header length and JSON. Use the model's original"
        + " .safetensors file."
    ),
    (
      [0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0],
      "Found a NumPy array, expected a header length and JSON. Load it in PyTorch and write it"
        + " with safetensors.torch.save_file."
    ),
    (
      [0x80, 0x02],
      "Found a Python pickle, as old PyTorch .pt files are, expected a header length and JSON. Load"
        + " it in PyTorch and write it with safetensors.torch.save_file."
    ),
    (
      Array("First Citizen:\n".utf8),
      "Found text that starts with \"First Ci\", expected a header length and JSON. Name a"
        + " .safetensors file."
    ),
    (
      Array("a\nb".utf8),
      "Found text that starts with \"a\\nb\", expected a header length and JSON. Name a"
        + " .safetensors file."
    ),
    (
      [0xFF, 0xD8, 0xFF, 0xE0, 0, 0x10, 0x4A, 0x46, 0x49],
      "Found the first bytes ff d8 ff e0 00 10 4a 46, expected a header length and JSON. Name a"
        + " .safetensors file."
    ),
  ]

  @Test(arguments: foreign) func namesOtherFormats(bytes: [UInt8], message: String) throws {
    let folder = try TemporaryFolder()
    let path = try folder.put("m", bytes)
    #expect(
      folder.failure { _ = try SafeTensors(path: path) }
        == "65 DIR/m is not a safetensors file. " + message)
  }

  // MARK: Lengths

  @Test(
    arguments: [
      ([1, 0, 0], "is truncated. Found 3 bytes, expected 10."),
      ([9, 0, 0, 0, 0, 0, 0, 0, 0x7B], "is truncated. Found 9 bytes, expected 10."),
      ([9, 0, 0, 0, 0, 0, 0, 0, 0x7B, 0x7D], "is truncated. Found 10 bytes, expected 17."),
      (
        [0, 0xE1, 0xF5, 0x05, 0, 0, 0, 0, 0x7B, 0x7D],
        "is truncated. Found 10 bytes, expected 100000008."
      ),
      (
        [1, 0xE1, 0xF5, 0x05, 0, 0, 0, 0, 0x7B, 0x7D],
        "has a damaged header. Found a header length of 100000001, expected at most 100000000 bytes."
      ),
      (
        [UInt8](repeating: 0xFF, count: 8) + [0x7B, 0x7D],
        "has a damaged header. Found a header length of 18446744073709551615, expected at most"
          + " 100000000 bytes."
      ),
      (
        [0, 0, 0, 0, 0, 0, 0, 0, 0x7B, 0x7D],
        "has a damaged header. Found the end of the text, expected a value, at byte 0 of the JSON."
      ),
    ] as [([UInt8], String)])
  func refusesLength(bytes: [UInt8], message: String) throws {
    let folder = try TemporaryFolder()
    let path = try folder.put("m", bytes)
    #expect(
      folder.failure { _ = try SafeTensors(path: path) }
        == "65 DIR/m \(message) Copy the file again or use another checkpoint.")
  }

  // MARK: Files that do not fit

  @Test func refusesWhatDoesNotFit() throws {
    let folder = try TemporaryFolder()
    let header = "{\"__metadata__\":{\"step\":\"{x\"},\(Self.tensor)}"
    let file = try SafeTensors(path: folder.put("m", Self.file(header, [0, 0, 0, 0])))
    #expect(
      folder.failure { _ = try file.require("b") } == """
        65 DIR/m does not fit the model. Found no tensor b, expected one. Check the model's \
        configuration or name another checkpoint.
        """)
    #expect(
      folder.failure { _ = try file.require("a", shape: [3, 1]) } == """
        65 DIR/m does not fit the model. Found tensor a of shape (1), expected (3, 1). Check the \
        model's configuration or name another checkpoint.
        """)
    #expect(
      folder.failure { throw CheckpointError.unexpectedTensor(path: file.path, name: "a") } == """
        65 DIR/m does not fit the model. Found a tensor a, expected none of that name. Check the \
        model's configuration or name another checkpoint.
        """)
    #expect(
      folder.failure { _ = try file.requireJSON("configuration") } == """
        65 DIR/m has no metadata configuration: mgpt did not write it, or another program dropped \
        it. Name a checkpoint that mgpt wrote.
        """)
    #expect(
      folder.failure { _ = try file.requireJSON("step") } == """
        65 DIR/m has damaged metadata step. Found 'x', expected a key in quotes, at byte 1 of the \
        JSON. Copy the file again or use another checkpoint.
        """)
    #expect(
      folder.failure { _ = try SafeTensors(path: folder.file("none")) }
        == "66 DIR/none does not exist. Check the path; it is relative to the current folder.")
    let unknown = #"{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,4]}}"#
    try folder.put("u", Self.file(unknown, [0, 0, 0, 0]))
    #expect(
      folder.failure { _ = try SafeTensors(path: folder.file("u")) } == """
        65 DIR/u can't be read. Found tensor a of type F4, expected a type such as F32, F16 or \
        BF16. Convert it with Python's safetensors.
        """)
  }

  /// The bytes of a safetensors file.
  static func file(_ header: String, _ data: [UInt8]) -> [UInt8] {
    let length = UInt64(header.utf8.count)
    return (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + Array(header.utf8) + data
  }
}
