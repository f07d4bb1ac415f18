// Writing safetensors files: layout, round trip, checksums, and what random damage does to them.
import Testing

@testable import MicroGPT

@Suite struct SafeTensorsWriterTests {
  static let tensors = [
    TensorSpecification(name: "norm.weight", shape: [3]),
    TensorSpecification(name: "none", shape: [0, 4]),
    TensorSpecification(name: "token \"é\"", dtype: .i64, shape: [2, 1]),
    TensorSpecification(name: "last", dtype: .u8, shape: [0]),
  ]
  static let metadata = [(key: "format", value: "pt"), (key: "step", value: #"{"n":1}"#)]

  /// Writes a small file; returns its path.
  static func write(_ folder: TemporaryFolder, _ name: String = "m") throws -> String {
    var writer = try SafeTensorsWriter(
      path: folder.file(name), tensors: tensors, metadata: metadata)
    let floats: [Float] = [1, -2, 0.5]
    try floats.withUnsafeBufferPointer { values throws in
      try writer.write(UnsafeBufferPointer(rebasing: values[..<2]), of: "norm.weight")
      try writer.write(UnsafeBufferPointer(rebasing: values[2...]), of: "norm.weight")
    }
    try [7, -9].withUnsafeBytes { try writer.write($0, of: "token \"é\"") }
    try writer.commit()
    return folder.file(name)
  }

  @Test func roundTrips() throws {
    let folder = try TemporaryFolder()
    let file = try SafeTensors(path: Self.write(folder))
    #expect(folder.names == ["m"])
    #expect(file.entries.map(\.name) == Self.tensors.map(\.name))
    #expect(file.entries.map(\.shape) == Self.tensors.map(\.shape))
    #expect(file.entries.map(\.dtype) == Self.tensors.map(\.dtype))
    #expect(file.entries[0].range.lowerBound % 64 == 0)
    #expect(try file.floats(of: "norm.weight") == [1, -2, 0.5])
    #expect(
      try file.withBytes(of: "token \"é\"") { $0.loadUnaligned(fromByteOffset: 8, as: Int.self) }
        == -9)
    #expect(try file.requireMetadata("format") == "pt")
    #expect(try file.requireJSON("step")["n"] == 1)
    #expect(file.hasChecksums)
    try file.verifyChecksums()
  }

  /// The layout, byte for byte: other programs read these files.
  @Test func layout() throws {
    let folder = try TemporaryFolder()
    var writer = try SafeTensorsWriter(
      path: folder.file("m"), tensors: [.init(name: "a", dtype: .u8, shape: [9])],
      metadata: [("k", "v")])
    try Array("123456789".utf8).withUnsafeBytes { try writer.write($0, of: "a") }
    try writer.commit()
    let header = """
      {"__metadata__":{"k":"v","checksums":"{\\"__metadata__.k\\":\\"0544e0b4\\",\
      \\"__metadata__\\":\\"fd5952be\\",\
      \\"a\\":\\"e3069283\\"}"},"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}}
      """
    let padding = String(repeating: " ", count: 192 - 8 - header.utf8.count)
    let expected = [184, 0, 0, 0, 0, 0, 0, 0] + Array((header + padding + "123456789").utf8)
    #expect(try folder.content("m") == expected)
  }

  @Test func anUnfinishedFileIsNoFile() throws {
    let folder = try TemporaryFolder()
    let before = try Self.write(folder)
    let content = try folder.content("m")
    try Self.begin(before)
    #expect(try folder.content("m") == content)
    #expect(folder.names == ["m"])
  }

  static func begin(_ path: String) throws {
    var writer = try SafeTensorsWriter(path: path, tensors: tensors)
    try [Float(1)].withUnsafeBufferPointer { try writer.write($0, of: "norm.weight") }
  }

  @Test func refusesWhatCannotFit() throws {
    let folder = try TemporaryFolder()
    let message = folder.failure {
      _ = try SafeTensorsWriter(
        path: folder.file("m"), tensors: [.init(name: "a", shape: [1 << 60])])
    }
    #expect(message.hasPrefix("74 disk full: DIR/m can't be written. Found "))
    #expect(folder.names == [])
  }

  // MARK: Damage

  @Test func namesTheDamagedPart() throws {
    let folder = try TemporaryFolder()
    let good = try Self.bytes(folder)
    let entries = try SafeTensors(path: folder.file("m")).entries
    var bytes = good
    bytes[entries[0].range.lowerBound + 3] ^= 0x10
    #expect(
      try Self.verify(folder, bytes) == """
        65 DIR/d is damaged in tensor norm.weight. Found checksum f3780f2d, expected 86739cf2. \
        Copy the file again or use another checkpoint.
        """)
    // Nothing but the shape of an empty tensor: no byte of the data is different.
    #expect(
      try Self.verify(folder, Self.replace(good, "[0,4]", "[0,5]"))
        .hasPrefix("65 DIR/d is damaged in the list of tensors. Found checksum "))
    bytes = good
    bytes[good.count - 1] ^= 1
    #expect(try Self.verify(folder, bytes).hasPrefix("65 DIR/d is damaged in tensor token \"é\". "))
    #expect(
      try Self.verify(folder, Self.replace(good, #"{\"n\":1}"#, #"{\"n\":2}"#))
        .hasPrefix("65 DIR/d is damaged in metadata step. Found checksum "))
    #expect(
      try Self.verify(folder, Self.replace(good, #""none":"#, #""nine":"#)) == """
        65 DIR/d is damaged. Found no checksum for tensor nine, expected one. Copy the file again \
        or use another checkpoint.
        """)
    #expect(
      try Self.verify(folder, Self.replace(good, #""format":"#, #""formal":"#)) == """
        65 DIR/d is damaged. Found no checksum for metadata formal, expected one. Copy the file \
        again or use another checkpoint.
        """)
    #expect(
      try Self.verify(
        folder, Self.replace(good, #"\"__metadata__.format\""#, #"\"__metadata__,format\""#)
      )
      .hasPrefix("65 DIR/d is damaged. Found no checksum for metadata format, expected one. "))
    #expect(
      try Self.verify(folder, Self.replace(good, "\"checksums\"", "\"checksum.\"")) == """
        65 DIR/d has no metadata checksums: mgpt did not write it, or another program dropped it. \
        Name a checkpoint that mgpt wrote.
        """)
    #expect(
      try Self.verify(folder, Self.replace(good, #":\"00000000\""#, #":\"0000000g\""#)) == """
        65 DIR/d has damaged metadata checksums. Found unreadable text, expected names with eight \
        hexadecimal digits. Copy the file again or use another checkpoint.
        """)
  }

  @Test func everyTruncationIsFound() throws {
    let folder = try TemporaryFolder()
    let good = try Self.bytes(folder)
    for count in 0..<good.count {
      let message = try Self.verify(folder, Array(good[..<count]))
      let expected = count == 0 ? "66 DIR/d is empty." : "65 DIR/d is truncated. Found \(count) "
      #expect(message.hasPrefix(expected), "\(count) bytes")
    }
    #expect(try Self.verify(folder, good + [0]).contains("Found 1 bytes after the last tensor"))
  }

  @Test func everyFlippedBitIsFound() throws {
    let folder = try TemporaryFolder()
    let good = try Self.bytes(folder)
    for bit in 0..<8 * good.count {
      var bytes = good
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      let message = try Self.verify(folder, bytes)
      #expect(message.hasPrefix("65 DIR/d "), "bit \(bit): \(message)")
    }
  }

  /// Several faults at once: an error for users, or a file of the same meaning.
  @Test func randomDamageNeverCrashes() throws {
    let folder = try TemporaryFolder()
    let good = try Self.bytes(folder)
    let original = try SafeTensors(path: folder.file("m"))
    let digits = Array(#"0123456789{}[]",: \"#.utf8)
    var generator = RandomGenerator(seed: 31)
    for index in 0..<4000 {
      var bytes = good
      for _ in 0...generator.next(below: 4) where !bytes.isEmpty {
        // Mostly in the header, where the structure is.
        let place = generator.next(below: bytes.count)
        switch generator.next(below: 5) {
        case 0: bytes[place] = UInt8(truncatingIfNeeded: generator.next())
        case 1: bytes[place] = digits[generator.next(below: digits.count)]
        case 2: bytes.insert(digits[generator.next(below: digits.count)], at: place)
        case 3: bytes.removeSubrange(place..<min(bytes.count, place + generator.next(below: 9)))
        default: bytes[generator.next(below: 8) % bytes.count] = UInt8(generator.next(below: 256))
        }
      }
      let message = try Self.verify(folder, bytes)
      if message == "no error" {
        let file = try SafeTensors(path: folder.file("d"))
        #expect(file.metadata == original.metadata, "seed 31, case \(index)")
        #expect(
          file.entries.map { file.withBytes(of: $0) { Array($0) } }
            == original.entries.map { original.withBytes(of: $0) { Array($0) } },
          "seed 31, case \(index)")
      } else {
        #expect(message.hasPrefix("6"), "seed 31, case \(index): \(message)")
      }
    }
  }

  // MARK: Helpers

  /// The bytes of a valid file, which stays in `folder` as `m`.
  static func bytes(_ folder: TemporaryFolder) throws -> [UInt8] {
    _ = try write(folder)
    return try folder.content("m")
  }

  /// Reads all of `bytes` as a file `d`; returns the error's text or "no error".
  static func verify(_ folder: TemporaryFolder, _ bytes: [UInt8]) throws -> String {
    try folder.put("d", bytes)
    return folder.failure { try SafeTensors(path: folder.file("d")).verifyChecksums() }
  }

  /// Replaces the first `old` by `new`, which is as long.
  static func replace(_ bytes: [UInt8], _ old: String, _ new: String) throws -> [UInt8] {
    let (old, new) = (Array(old.utf8), Array(new.utf8))
    let place = try #require(
      (0...bytes.count - old.count).first { bytes[$0..<$0 + old.count].elementsEqual(old) })
    #expect(old.count == new.count)
    var result = bytes
    result.replaceSubrange(place..<place + old.count, with: new)
    return result
  }
}
