// The optimizer's moments in a checkpoint. In float32 a moment has the shape and orientation of its
// parameter; in 16 and 8 bits it is the bytes of memory, with scales behind, because only those
// resume bit-exactly.

/// The moments of a trainer, and how they stand in its checkpoints.
struct SavedMoments {
  private struct Item {
    var stored: StoredParameter
    var start: Int
    var prefix: String
    var values: Moments

    var name: String { prefix + stored.name }
    /// Elements, padding included: whole blocks of scales.
    var count: Int { stored.parameter.paddedCount }
  }

  private var items: [Item] = []

  init(_ trainer: Trainer) {
    let model = trainer.model
    // A parameter may stand in a file as several tensors.
    let stored = Dictionary(
      grouping: model.table.stored(for: model.configuration.family), by: \.parameter.offset)
    for (prefix, layout, values) in trainer.optimizer.moments {
      for (parameter, start) in layout.places {
        for entry in stored[parameter.offset] ?? [] {
          items.append(Item(stored: entry, start: start, prefix: prefix, values: values))
        }
      }
    }
  }

  /// What goes into the header.
  var tensors: [TensorSpecification] {
    items.flatMap { item in
      switch item.values.format {
      case .float32: [TensorSpecification(name: item.name, shape: item.stored.shape)]
      case .bfloat16: [TensorSpecification(name: item.name, dtype: .bf16, shape: [item.count])]
      case .int8:
        [
          TensorSpecification(name: item.name, dtype: .u8, shape: [item.count]),
          TensorSpecification(name: item.name + Self.scale, shape: [Self.scaleCount(item.count)]),
        ]
      }
    }
  }

  private static let scale = ".scale"

  private static func scaleCount(_ count: Int) -> Int {
    Moments.byteCounts(count, .int8).scales / 4
  }

  /// Writes all of them, in the order of `tensors`.
  func write(to file: inout SafeTensorsWriter) throws {
    for item in items {
      let values = item.values
      guard values.format != .float32 else {
        try item.stored.write(from: values.values, at: item.start, as: item.name, to: &file)
        continue
      }
      for (name, bytes) in Self.parts(item) { try file.write(bytes, of: name) }
    }
  }

  /// Reads all of them.
  func read(from file: SafeTensors) throws {
    for item in items {
      let values = item.values
      guard values.format != .float32 else {
        try item.stored.read(from: file, as: item.name, to: values.values, at: item.start)
        continue
      }
      for (name, bytes) in Self.parts(item) {
        let entry = try file.require(name)
        guard entry.range.count == bytes.count else {
          throw CheckpointError.wrongShape(
            path: file.path, name: name, found: entry.shape, expected: [item.count])
        }
        file.withBytes(of: entry) {
          UnsafeMutableRawBufferPointer(mutating: bytes).copyMemory(from: $0)
        }
      }
    }
  }

  /// The bytes of a moment in memory: values, then scales if the format has them.
  private static func parts(_ item: Item) -> [(name: String, bytes: UnsafeRawBufferPointer)] {
    let format = item.values.format
    func slice(_ arena: Arena, _ first: Int, _ count: Int) -> UnsafeRawBufferPointer {
      UnsafeRawBufferPointer(start: arena.base + first, count: count)
    }
    let (first, size) = (
      Moments.byteCounts(item.start, format), Moments.byteCounts(item.count, format)
    )
    var parts = [(item.name, slice(item.values.values, first.values, size.values))]
    if size.scales > 0 {
      parts.append((item.name + scale, slice(item.values.scales, first.scales, size.scales)))
    }
    return parts
  }
}
