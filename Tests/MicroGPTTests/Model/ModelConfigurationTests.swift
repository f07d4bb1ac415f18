// Families, sizes and their limits; parameter counts of known models; messages word for word.
import Testing

@testable import MicroGPT

@Suite struct ModelConfigurationTests {
  static let counts: [(ModelFamily, Int, Int, Int, Int, Int, Int)] = [
    // family, vocabulary, context, layers, heads, width, weights
    (.gpt2, 50257, 1024, 12, 12, 768, 124_439_808),  // GPT-2 small, as published
    (.gpt2, 50257, 1024, 24, 16, 1024, 354_823_168),  // medium
    (.gpt2, 50257, 1024, 36, 20, 1280, 774_030_080),  // large
    (.gpt2, 50257, 1024, 48, 25, 1600, 1_557_611_200),  // xl
    (.microgpt, 27, 16, 1, 4, 16, 4192),
    (.gpt2, 65, 64, 4, 4, 128, 809_856),  // "baby GPT" of nanoGPT with biases, positions counted
    (.modern, 65, 64, 4, 4, 128, 795_904),
  ]

  @Test(arguments: counts)
  func parameterCounts(
    _ family: ModelFamily, _ vocabulary: Int, _ context: Int, _ layers: Int, _ heads: Int,
    _ width: Int, _ expected: Int
  ) {
    let c = family.configuration(
      vocabularySize: vocabulary, contextLength: context, layerCount: layers, headCount: heads,
      modelWidth: width)
    #expect(ParameterTable(c).parameterCount == expected)
  }

  /// Llama with grouped queries, counted by hand.
  @Test func countOfGroupedQueries() {
    let c = ModelFamily.llama.configuration(
      vocabularySize: 100, contextLength: 32, layerCount: 2, headCount: 8, modelWidth: 64,
      keyValueHeadCount: 2)
    #expect(c.hiddenWidth == 192)
    let block = (8 + 2 * 2) * 8 * 64 + 64 * 64 + 2 * 192 * 64 + 64 * 192 + 2 * 64
    #expect(ParameterTable(c).parameterCount == 2 * 100 * 64 + 2 * block + 64)
  }

  /// The block holds every parameter once, aligned, matrices first; padding is no parameter.
  @Test(arguments: SmallModels.names) func tableIsSound(_ name: String) {
    let table = ParameterTable(SmallModels.configuration(name))
    var end = 0
    for parameter in table.parameters {
      #expect(parameter.offset * 4 % Arena.alignment == 0 && parameter.offset >= end)
      #expect(parameter.decays == (parameter.shape.rank > 1))
      // Blocks of 8-bit moments belong to one parameter.
      #expect(parameter.offset % 64 == 0)
      let rows = parameter.stackedRows.reduce(0, +)
      let isHidden = parameter.decays && parameter.name.hasPrefix("blocks.")
      #expect(rows == (isHidden ? parameter.shape[0] : 0))
      #expect(table[parameter.name] == parameter)
      end = parameter.offset + parameter.shape.count
    }
    let firstVector = table.parameters.firstIndex { !$0.decays } ?? table.parameters.count
    let isMixed = table.parameters[firstVector...].contains { $0.decays }
    #expect(!isMixed)
    #expect(
      table.elementCount >= end && Set(table.parameters.map(\.name)).count == table.parameters.count
    )
  }

  @Test(arguments: SmallModels.names) func survivesJSON(_ name: String) throws {
    let c = SmallModels.configuration(name)
    #expect(try ModelConfiguration(json: JSON.parse(c.json.description)) == c)
  }

  /// The starting weights are a function of the seed, with the deviations of the family.
  @Test func startingWeights() throws {
    var c = ModelFamily.gpt2.configuration(
      vocabularySize: 200, contextLength: 32, layerCount: 2, headCount: 2, modelWidth: 64)
    func deviation(_ model: GPT, _ name: String) throws -> Double {
      let values = model.values(of: try #require(model.table[name]))
      return (values.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(values.count))
        .squareRoot()
    }
    let model = try GPT(c, seed: 1)
    #expect(abs(try deviation(model, "blocks.0.mlp.up.weight") * 8 - 1) < 0.03)
    #expect(try deviation(model, "blocks.0.mlp.down.weight") == 0)
    #expect(abs(try deviation(model, "embedding.token.weight") / 0.02 - 1) < 0.03)
    #expect(try deviation(model, "norm.weight") == 1 && deviation(model, "norm.bias") == 0)
    let (again, other) = (try GPT(c, seed: 1), try GPT(c, seed: 2))
    #expect(Array(again.weights.floats) == Array(model.weights.floats))
    #expect(Array(other.weights.floats) != Array(model.weights.floats))
    c.initialization = .gpt2
    let classic = try GPT(c, seed: 1)
    #expect(abs(try deviation(classic, "blocks.0.mlp.up.weight") / 0.02 - 1) < 0.03)
    #expect(abs(try deviation(classic, "blocks.1.mlp.down.weight") / 0.01 - 1) < 0.03)
  }

  // MARK: What is impossible

  typealias Change = @Sendable (inout ModelConfiguration) -> Void
  static let impossible: [(String, Change)] = [
    (
      "--embed-dim must be a multiple of --heads. Found --embed-dim 128 with --heads 3. Use "
        + "--embed-dim 126 or 132, or other --heads.",
      {
        $0.modelWidth = 128
        ($0.headCount, $0.keyValueHeadCount) = (3, 3)
      }
    ),
    ("--heads is out of range. Found 0, expected 1 to 1024.", { $0.headCount = 0 }),
    ("--layers is out of range. Found -1, expected 1 to 1024.", { $0.layerCount = -1 }),
    (
      "--embed-dim is out of range. Found 1000000000000, expected 1 to 65536.",
      { $0.modelWidth = 1_000_000_000_000 }
    ),
    (
      "--context is out of range. Found 1048577, expected 1 to 1048576.",
      { $0.contextLength = 1 << 20 + 1 }
    ),
    ("--hidden-dim is out of range. Found 0, expected 1 to 1048576.", { $0.hiddenWidth = 0 }),
    (
      "vocabulary size is out of range. Found 0, expected 1 to 16777216.",
      { $0.vocabularySize = 0 }
    ),
    (
      "--kv-heads must divide --heads. Found --kv-heads 3 with --heads 4. Use --kv-heads 4 or 1.",
      { ($0.headCount, $0.keyValueHeadCount) = (4, 3) }
    ),
    (
      "--kv-heads must divide --heads. Found --kv-heads 4 with --heads 2. Use --kv-heads 2 or 1.",
      { $0.keyValueHeadCount = 4 }
    ),
    (
      "rotary positions need an even head width. Found --embed-dim 12 / --heads 4 = 3. Use an "
        + "--embed-dim that is a multiple of 8.",
      { ($0.headCount, $0.keyValueHeadCount) = (4, 4) }
    ),
    ("rmsnorm has no bias. Found norm_bias true, expected false.", { $0.normBias = true }),
    (
      "--dropout is out of range. Found 1.0, expected 0 up to but not 1.", { $0.dropout = 1 }
    ),
    (
      "--dropout is out of range. Found nan, expected 0 up to but not 1.", { $0.dropout = .nan }
    ),
    (
      "--logit-soft-cap is out of range. Found -1.0, expected 0 (off) up.",
      { $0.logitSoftCap = -1 }
    ),
    (
      "embedding scale is out of range. Found inf, expected above 0.",
      { $0.embeddingScale = .infinity }
    ),
  ]

  @Test(arguments: impossible.indices) func messages(_ index: Int) throws {
    let (words, change) = Self.impossible[index]
    var c = SmallModels.configuration("modern")
    change(&c)
    do {
      _ = try GPT(c)
      Issue.record("no error, expected: \(words)")
    } catch let error as ConfigurationError {
      #expect(error.description == words && error.exitCode == .config)
    }
  }

  /// Metadata of a checkpoint: every key must be there, of its type, and in range.
  @Test func damagedJSON() throws {
    let json = SmallModels.configuration("modern").json
    let members = try #require(json.objectValue)
    func message(_ json: JSON) -> String {
      do {
        _ = try ModelConfiguration(json: json)
        return "no error"
      } catch { return error.description }
    }
    for (i, member) in members.enumerated() where member.key != "initialization" {
      var changed = members
      changed[i].value = .array([])
      let words =
        "the model's configuration lacks \"\(member.key)\". The file was not written by mgpt."
      #expect(message(.object(changed)) == words)
      changed.remove(at: i)
      #expect(message(.object(changed)) == words)
    }
    func changing(_ key: String, _ value: JSON) -> JSON {
      .object(members.map { $0.key == key ? JSON.Member(key, value) : $0 })
    }
    #expect(
      message(changing("family", "gpt5")) == "unknown family. Found \"gpt5\", expected one of: "
        + "gpt2, microgpt, randygpt, picogpt, llama, modern.")
    #expect(
      message(changing("activation", "sin"))
        == "unknown activation. Found \"sin\", expected one of: relu2, gelu, relu, swiglu.")
    #expect(
      message(changing("layers", .integer(1 << 60)))
        == "--layers is out of range. Found 1152921504606846976, expected 1 to 1024.")
    #expect(
      message(changing("embed_dim", .integer(.max)))
        == "--embed-dim is out of range. Found 9223372036854775807, expected 1 to 65536.")
    #expect(
      message([]) == "the model's configuration lacks \"family\". The file was not written by mgpt."
    )
  }
}
