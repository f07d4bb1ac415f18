// `mgpt bench generate`: how fast a model takes in a prompt and goes on, in each format of its
// weights. Measuring is in the library (InferenceBenchmark); here are the files it needs, the
// defaults and the table.

import MicroGPT

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Measures as asked; returns the code to exit with.
func benchGenerating(_ asked: BenchOptions, _ compute: Compute) throws -> Int32 {
  Signals.install()
  let files = try BenchmarkFiles(asked, compute)
  defer { files.remove() }
  var benchmark = InferenceBenchmark(path: "")
  benchmark.promptTokens = asked.promptTokens
  benchmark.decodedTokens = asked.maxTokens
  benchmark.decodeAfter = asked.decodeAfter
  benchmark.runs = asked.runs ?? benchmark.runs
  benchmark.sequences = asked.sequences ?? 1
  benchmark.cacheFormat =
    asked.keyValueCache ?? .float32
  try benchmark.tokenCounts(files.configuration)
  let machine = MachineDescription.current(compute)
  if !asked.json {
    Terminal.output.write(BenchTable.introduction(machine) + sizes(files.configuration) + "\n\n")
  }
  var results: [(format: BenchFormat, result: InferenceBenchmark.Result)] = []
  for format in files.formats {
    guard let path = try files.path(of: format) else { return 128 + (Signals.received ?? 0) }
    benchmark.path = path
    let result = try benchmark.run(compute) { Signals.received != nil }
    guard let result else { return 128 + (Signals.received ?? 0) }
    if !asked.json {
      Terminal.output.write(
        (results.isEmpty ? GenerateTable.heading(result) : "") + GenerateTable.row(format, result))
    }
    results.append((format, result))
  }
  if asked.json {
    Terminal.output.write("\(json(asked, machine, files.configuration, results))\n")
  } else {
    Terminal.output.write(GenerateTable.legend)
  }
  return 0
}

private func json(
  _ asked: BenchOptions, _ machine: MachineDescription, _ configuration: ModelConfiguration,
  _ results: [(format: BenchFormat, result: InferenceBenchmark.Result)]
) -> JSON {
  let list = results.map { format, result -> JSON in
    guard case .object(let members) = result.json else { return result.json }
    return .object([JSON.Member("format", .string(format.rawValue))] + members)
  }
  return [
    "machine": machine.json, "preset": asked.preset.map(JSON.string) ?? .null,
    "model": asked.model.map(JSON.string) ?? .null, "configuration": configuration.json,
    "results": .array(list),
  ]
}

// MARK: - Models

/// The checkpoints to measure, made when they are wanted, in the folder for temporary files.
final class BenchmarkFiles {
  let configuration: ModelConfiguration
  let formats: [BenchFormat]
  private let compute: Compute
  /// The model that others are made from; random weights where nil.
  private let given: String?
  private let givenFormat: BenchFormat?
  /// Where what is made stays; nil for nowhere.
  private let folder: String?
  private var made: [BenchFormat: String] = [:]

  init(_ asked: BenchOptions, _ compute: Compute) throws {
    self.compute = compute
    folder = asked.keep
    given = try asked.model.map(requireModel)
    var formats = asked.formats
    if let given {
      if let option = asked.sizesGiven.first {
        throw SetupError.sizeOfModel(option: "--\(option)", path: given)
      }
      let file = try ModelFile(path: given, for: .inference)
      configuration = file.model.configuration
      let own = file.quantizedFormat.flatMap { BenchFormat(rawValue: $0.rawValue) } ?? .f32
      givenFormat = own
      if formats.isEmpty { formats = [own] }
      if own != .f32, let other = formats.first(where: { $0 != own }) {
        throw SetupError.otherFormat(
          found: other.rawValue, expected: own.rawValue, path: given)
      }
    } else {
      configuration = try asked.generatingConfiguration()
      givenFormat = nil
    }
    if formats.isEmpty || formats.contains(.all) {
      formats = BenchFormat.allCases.filter { $0 != .all }
    }
    self.formats = BenchFormat.allCases.filter(formats.contains)
    try configuration.validate()
    if let folder { try makeWritableFolder(folder, for: path(madeIn: .f32)) }
  }

  /// The model in that format; nil if a signal came while it was made.
  func path(of format: BenchFormat) throws -> String? {
    if let given, format == givenFormat { return given }
    if format != .f32, let old = made.keys.first(where: { $0 != .f32 }) { remove(old) }
    guard let source = try given ?? sourceOfRandomWeights() else { return nil }
    guard format != .f32, let target = QuantizationTarget(rawValue: format.rawValue) else {
      return source
    }
    let path = path(madeIn: format)
    made[format] = path
    let reports = try Quantizer(compute: compute).quantize(
      ModelFile(path: source, for: .inference), to: target, path: path
    ) { _, _ in Signals.received == nil }
    return reports == nil ? nil : path
  }

  /// Removes what was made and is not to be kept.
  func remove() {
    for format in Array(made.keys) { remove(format) }
  }

  private func remove(_ format: BenchFormat) {
    if let path = made.removeValue(forKey: format), folder == nil { unlink(path) }
  }

  private func sourceOfRandomWeights() throws -> String? {
    if let path = made[.f32] { return path }
    let path = path(madeIn: .f32)
    made[.f32] = path
    let isComplete = try ModelFile.writeRandom(configuration, to: path) { Signals.received != nil }
    return isComplete ? path : nil
  }

  private func path(madeIn format: BenchFormat) -> String {
    folder.map { "\($0)/\(format.rawValue).safetensors" }
      ?? "\(temporaryFolder())/mgpt-bench-\(getpid())-\(format.rawValue).safetensors"
  }
}

extension BenchOptions {
  /// The model asked for; the defaults are the preset's, or those of the smallest one.
  func generatingConfiguration() throws(ConfigurationError) -> ModelConfiguration {
    let name = preset ?? GenerateShape.all[0].name
    guard let shape = GenerateShape.all.first(where: { $0.name == name }) else {
      throw .unknownName(
        kind: "--preset", found: name, expected: GenerateShape.all.map(\.name))
    }
    let family = family.flatMap { ModelFamily(rawValue: $0.rawValue) } ?? .gpt2
    return family.configuration(
      vocabularySize: vocabSize ?? shape.vocabulary, contextLength: context ?? shape.context,
      layerCount: layers ?? shape.layers, headCount: heads ?? shape.heads,
      modelWidth: embedDim ?? shape.width, keyValueHeadCount: keyValueHeads,
      hiddenWidth: hiddenDim)
  }
}

/// Sizes that inference is compared at with other programs; those for training are smaller in
/// context or vocabulary.
struct GenerateShape {
  /// What `--preset` calls it.
  let name: String
  let layers: Int
  let heads: Int
  let width: Int
  let context: Int
  let vocabulary: Int

  /// Smallest first: 0.8, 124, 235 and 515 million weights of the GPT-2 family.
  static let all = [
    GenerateShape(name: "tiny", layers: 4, heads: 4, width: 128, context: 256, vocabulary: 65),
    GenerateShape(
      name: "gpt2", layers: 12, heads: 12, width: 768, context: 1024, vocabulary: 50257),
    GenerateShape(
      name: "xl", layers: 16, heads: 16, width: 1024, context: 1024, vocabulary: 32000),
    GenerateShape(
      name: "500m", layers: 24, heads: 20, width: 1280, context: 1024, vocabulary: 32000),
  ]
}

// MARK: - Table

/// The table of `mgpt bench generate`, line by line, so that each shows as soon as it is measured.
enum GenerateTable {
  /// What is the same for all formats, and the names of the columns.
  static func heading(_ result: InferenceBenchmark.Result) -> String {
    "prompt of \(result.promptTokens) tokens; "
      + (result.sequences > 1 ? "\(result.sequences) sequences at once, " : "")
      + "\(result.decodedTokens) decoded after \(result.decodeAfter); cache "
      + "\(Format.bytes(result.cacheByteCount))\n\n"
      + line([
        "format", "file", "load ms", "first token ms", "prefill/s", "decode/s", "bytes/token",
        "reading", "resident",
      ])
  }

  /// One format.
  static func row(_ format: BenchFormat, _ result: InferenceBenchmark.Result) -> String {
    line([
      format.rawValue, Format.bytes(result.fileByteCount),
      milliseconds(result.loadSeconds.median), milliseconds(result.firstTokenSeconds),
      rate(result.prefillTokensPerSecond), rate(result.decodeTokensPerSecond),
      Format.bytes(result.bytesPerToken),
      Format.percent(result.shares.median) + " of "
        + Format.fixed(result.readings.median / 1e9, decimals: 1),
      Format.bytes(result.peakResidentByteCount),
    ])
  }

  static let legend = """

    prefill, decode: tokens per second, medians. First token: from opening the file, its
    pages in the system's cache. Reading: bytes per token times decode, of the GB/s that
    reading memory did in the same run; above 100% a cache holds the weights. Resident: at
    most, from opening the file on, with the program itself and the pages of the file.

    """

  private static func line(_ cells: [String]) -> String {
    let widths = [-10, 9, 9, 14, 10, 10, 11, 15, 9]
    let text = zip(cells, widths).map { cell, width in
      width < 0 ? Format.aligned(cell, to: -width) : Format.padded(cell, to: width)
    }.joined(separator: "  ")
    return text + "\n"
  }

  private static func milliseconds(_ seconds: Double) -> String {
    Format.fixed(seconds * 1e3, decimals: seconds < 0.1 ? 2 : 0)
  }

  private static func rate(_ value: Double) -> String {
    Format.fixed(value, decimals: value < 100 ? 1 : 0)
  }
}
