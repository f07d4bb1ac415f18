// What makes a model recursive: which of its layers are passed through several times, and how the
// state goes into the next pass. A model that passes once is a plain one and has none of this.
//
//     tokens → embedding → prelude → [ core ] × passes → coda → head
//                                     ↑____|  shared weights

/// How the state of a recursive model enters the next pass.
///
/// h: the state after the last pass; e: what the prelude made of the tokens. The first pass begins
/// with e under each of the rules.
public enum Injection: String, Sendable, CaseIterable {
  /// a ⊙ h + b ⊙ e, a = sigmoid(α) per channel, which bounds it, α and b learnt.
  ///
  /// Geiping et al. 2025, arXiv 2502.05171, in the bounded form.
  case bounded
  /// The state grows by what the layers make of it: h + layers(norm(h)).
  case outer
  /// The tokens are added again before each pass: layers(h + e).
  case input
}

/// The recursive part of a model's configuration.
///
/// Universal Transformers, Dehghani et al. 2018, arXiv 1807.03819.
public struct Recursion: Equatable, Sendable {
  /// R: passes through the core, as trained; at least 2.
  public var steps: Int
  /// The first pass after which a token may leave.
  public var minimumSteps = 1
  /// Layers in front of the core, passed through once.
  public var preludeCount = 0
  /// Layers behind the core, passed through once.
  public var codaCount = 0
  /// How the state enters the next pass.
  public var injection = Injection.bounded
  /// Whether there is a gate after each pass but the last.
  public var hasGate = true
  /// The share of a token's probability to have left, from which on it leaves; 1 for never.
  public var exitThreshold = 1.0

  /// So many passes, otherwise the defaults.
  public init(steps: Int) { self.steps = steps }

  /// The most passes that can be asked for.
  public static let stepLimit = 64
}

extension Recursion {
  /// Throws what is impossible in a model of so many layers, in the words of the flags.
  func validate(layerCount: Int, placement: NormPlacement) throws(ConfigurationError) {
    let limit = Recursion.stepLimit
    guard (2...limit).contains(steps) else {
      throw .outOfRange(option: "--recursion-steps", found: "\(steps)", range: "1 to \(limit)")
    }
    guard (1...steps).contains(minimumSteps) else {
      throw .outOfRange(
        option: "--min-recursion-steps", found: "\(minimumSteps)",
        range: "1 to --recursion-steps \(steps)")
    }
    guard (0...1).contains(exitThreshold) else {
      throw .outOfRange(option: "--exit-threshold", found: "\(exitThreshold)", range: "0 to 1")
    }
    guard (0...1024).contains(preludeCount), (0...1024).contains(codaCount),
      preludeCount + codaCount < layerCount
    else {
      throw .contradiction(
        "no layers are left for the core. Found --prelude \(preludeCount) and --coda \(codaCount) "
          + "of --layers \(layerCount), expected at least one more layer. Use --core 1 or more.")
    }
    guard placement == .pre else {
      throw .contradiction(
        "recursion needs norms in front of attention and MLP. Found a family with norms behind "
          + "them, expected modern, gpt2, llama, randygpt or microgpt. Choose another --family.")
    }
  }
}

// MARK: - Layers and passes

extension ModelConfiguration {
  /// The passes through the core: 1 for a plain model.
  public var passCount: Int { recursion?.steps ?? 1 }

  /// The layers that are passed through `passCount` times; all of a plain model's.
  public var coreLayers: Range<Int> {
    guard let recursion else { return 0..<layerCount }
    return recursion.preludeCount..<(layerCount - recursion.codaCount)
  }

  /// Layers that a token passes through, counted as often as it does.
  public var passedLayerCount: Int { layerCount + (passCount - 1) * coreLayers.count }

  /// Where the keys and values of a layer are in a cache: each pass has its own.
  ///
  /// Prelude, core of the first pass, of the second …, coda.
  func cacheSlot(layer: Int, pass: Int) -> Int {
    if layer < coreLayers.lowerBound { return layer }
    let passes = coreLayers.contains(layer) ? pass : passCount - 1
    return layer + passes * coreLayers.count
  }

  /// The same for a layer of the coda that is passed through after `pass` only to see what would be
  /// predicted: behind all others.
  func measuringSlot(layer: Int, pass: Int) -> Int {
    let coda = coreLayers.upperBound..<layerCount
    return passedLayerCount + pass * coda.count + (layer - coda.lowerBound)
  }

  /// Layers of a cache of a run to this depth.
  func cachedLayerCount(_ depth: Depth) -> Int {
    guard let exit = depth.exit, exit.measure != .gate else { return passedLayerCount }
    return measuringSlot(layer: coreLayers.upperBound, pass: passCount)
  }
}

// MARK: - JSON

extension Recursion {
  /// The members that a checkpoint's configuration has for it.
  var members: [JSON.Member] {
    [
      JSON.Member("recursion_steps", .integer(steps)),
      JSON.Member("min_recursion_steps", .integer(minimumSteps)),
      JSON.Member("exit_threshold", .number(exitThreshold)),
      JSON.Member("prelude", .integer(preludeCount)), JSON.Member("coda", .integer(codaCount)),
      JSON.Member("injection", .string(injection.rawValue)),
      JSON.Member("exit_gate", .bool(hasGate)),
    ]
  }

  /// Reads what `members` wrote; nil if there is no recursion, or one pass of it.
  static func read(_ reader: ConfigurationReader) throws(ConfigurationError) -> Recursion? {
    guard reader.json["recursion_steps"] != nil else { return nil }
    var recursion = Recursion(steps: try reader.integer("recursion_steps"))
    if recursion.steps == 1 { return nil }
    recursion.minimumSteps = try reader.integer("min_recursion_steps")
    recursion.exitThreshold = try reader.number("exit_threshold")
    recursion.preludeCount = try reader.integer("prelude")
    recursion.codaCount = try reader.integer("coda")
    recursion.injection = try reader.name("injection")
    recursion.hasGate = try reader.flag("exit_gate")
    return recursion
  }
}

// MARK: - Parameters

extension Recursion {
  /// What recursion adds to a model's parameters: a vector of its width, or one number.
  struct Addition {
    let name: String
    let start: Parameter.Start
    var isScalar = false
  }

  /// α starts where sigmoid is 0.9: a state that is kept; the gains at 1, at which they change
  /// nothing; the gate at a chance of 0.12 to leave: what leaving early costs in the end is less
  /// than from even chances (tools/bench/README.md, section 10).
  func parameters(core: Range<Int>) -> [Addition] {
    var all: [Addition] = []
    if injection == .bounded {
      all.append(Addition(name: "recursion.keep", start: .constant(logarithm(9))))
      all.append(Addition(name: "recursion.inject", start: .zero))
    }
    for pass in 0..<steps {
      for layer in core {
        for half in ["attention", "mlp"] {
          let name = Recursion.gainName(pass: pass, layer: layer, half)
          all.append(Addition(name: "\(name).gain", start: .one))
          all.append(Addition(name: "\(name).scale", start: .one))
        }
      }
    }
    if hasGate {
      all.append(Addition(name: "gate.weight", start: .zero))
      all.append(Addition(name: "gate.bias", start: .constant(-2), isScalar: true))
    }
    return all
  }

  /// The per-pass gains of one half of a layer: `.gain` behind its norm, `.scale` before its sum.
  static func gainName(pass: Int, layer: Int, _ half: String) -> String {
    "passes.\(pass).\(layer).\(half)"
  }
}
