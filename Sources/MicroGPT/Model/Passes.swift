// The core of a recursive model, passed through again and again; its losses in training, its exits
// in evaluation. The blocks themselves are those of every model (Block.swift).
//
//     e = prelude(embedding)
//     h = e
//     for each pass:   h = core(h enters with e)      gate(norm(h)): leave here?
//     head(norm(coda(h)))

/// Which pass a block is recorded for, and for which rows.
struct Pass {
  /// Counted from 0.
  let number: Int
  /// Whether the state goes from here to the coda and the head.
  var isLast = false
  /// 1 for rows (B T) that take part, 0 for those that keep their state; nil if all take part.
  var active: Tensor?
  /// Whether rows that rest keep the keys and values of the pass they left in.
  var sharesKeys = false
}

/// What the early passes of a recursive model learn.
public enum RecursionLoss: String, Sendable, CaseIterable {
  /// Each pass as much as the gates let tokens leave there, and the gates with it: the sum over
  /// passes of q loss, minus 0.05 times the entropy of the shares q.
  ///
  /// Banino et al. 2021, arXiv 2107.05407, with Ouro's entropy (arXiv 2510.25741).
  case gate
  /// Each pass, the r-th r times as much as the first.
  case deep
  /// The last pass only.
  case final
}

extension ModelRecorder {
  private var recursion: Recursion {
    guard let recursion = configuration.recursion else {
      preconditionFailure("the model has no core to pass through")
    }
    return recursion
  }

  /// What the first pass begins with.
  mutating func prelude(_ tokens: Tensor) -> Tensor {
    layers(0..<configuration.coreLayers.lowerBound, of: embed(tokens))
  }

  /// What the head reads of the state after a pass.
  mutating func coda(_ h: Tensor) -> Tensor {
    finish(layers(configuration.coreLayers.upperBound..<configuration.layerCount, of: h))
  }

  /// The weights of the state and of the tokens where it enters a pass but the first.
  struct InjectionWeights {
    let keep: Tensor
    let inject: Tensor
  }

  /// The weights of the rule; nil where it has none, or where one pass does not need them.
  ///
  /// Recorded once: all passes but the first read them.
  mutating func injectionWeights(passes count: Int) -> InjectionWeights? {
    guard recursion.injection == .bounded && count > 1 else { return nil }
    return InjectionWeights(
      keep: graph.sigmoid(parameter("recursion.keep")), inject: parameter("recursion.inject"))
  }

  /// One pass: the state `h` before it → the state after it.
  mutating func pass(
    _ h: Tensor, _ e: Tensor, _ weights: InjectionWeights?, _ pass: Pass
  ) -> Tensor {
    var u = h
    switch recursion.injection {
    case .bounded:
      if pass.number > 0, let weights {
        u = graph.blend(h, a: weights.keep, e, b: weights.inject, active: pass.active)
      }
    case .outer: u = norm(h, nil)
    case .input: if pass.number > 0 { u = graph.blend(h, e, b: nil, active: pass.active) }
    }
    for layer in configuration.coreLayers { u = block(u, layer, pass) }
    guard recursion.injection == .outer else { return u }
    guard narrowsRows(configuration.coreLayers.upperBound - 1, pass) else {
      return graph.blend(h, u, b: nil, active: pass.active)
    }
    return graph.blend(graph.lastRow(h), u, b: nil, active: lastRow(of: pass)?.active)
  }

  /// The gate behind a pass, see `Graph.exitGate`.
  mutating func gate(_ h: Tensor, before: Tensor?) -> ExitShares {
    graph.exitGate(
      norm(h, nil), weight: parameter("gate.weight"), bias: parameter("gate.bias"), before: before)
  }

  // MARK: Losses

  /// Weight of the entropy of the shares in the loss with gates.
  static let gateEntropy: Float = 0.05

  /// Records the losses after all of `count` passes, or after the last one alone.
  mutating func losses(_ tokens: Tensor, _ targets: Tensor, count: Int, _ kind: RecursionLoss) {
    let e = prelude(tokens)
    let weights = injectionWeights(passes: count)
    let hasGates = kind == .gate && recursion.hasGate
    var h = e
    var before: Tensor?
    for number in 0..<count {
      let isLast = number + 1 == count
      h = segment(if: !isLast) { $0.pass(h, e, weights, Pass(number: number)) }
      if kind == .final && !isLast { continue }
      var weighing = LossWeighing.equal
      if kind == .deep {
        weighing = .factor(Float(2 * (number + 1)) / Float(count * (count + 1)))
      } else if hasGates {
        let shares = isLast ? nil : segment { $0.gate(h, before: before) }
        let share = shares?.leave ?? before
        before = shares?.stay
        weighing = share.map { .shares($0, entropy: ModelRecorder.gateEntropy) } ?? .equal
      }
      codaLoss(h, targets, weighing)
    }
  }

  /// The loss of a state; the blocks of the coda belong to the same segment.
  private mutating func codaLoss(_ h: Tensor, _ targets: Tensor, _ weighing: LossWeighing) {
    segment {
      let recomputes = $0.recomputesBlocks
      $0.recomputesBlocks = false
      $0.loss($0.coda(h), targets, weighing)
      $0.recomputesBlocks = recomputes
    }
  }

  // MARK: Exits

  /// Records the passes of a run, with the exits that `depth` allows; returns the state that each
  /// row ends with.
  ///
  /// Where tokens may leave, `atExit` is told the passes done, the state, and who goes on. With
  /// `masks`, rows that have left keep their state; without, there is one row, and whoever runs the
  /// graph stops where it leaves.
  mutating func passes(
    _ tokens: Tensor, depth: Depth, masks: Bool = true, targets: Tensor? = nil,
    atExit: (inout ModelRecorder, Int, Tensor, Tensor) -> Void = { _, _, _, _ in }
  ) -> Tensor {
    let e = prelude(tokens)
    let count = depth.passes ?? recursion.steps
    let weights = injectionWeights(passes: count)
    var h = e
    var exits = ExitRecord()
    for number in 0..<count {
      let pass = Pass(
        number: number, isLast: number + 1 == count, active: masks ? exits.active : nil,
        sharesKeys: depth.exit?.fill == .share)
      h = self.pass(h, e, weights, pass)
      guard let rule = depth.exit, number + 1 < count else { continue }
      let value = measure(h, rule, &exits, number)
      guard let value, number + 1 >= rule.minimumSteps else { continue }
      let active = graph.decideExits(
        value, rule.measure, before: exits.active, pass: number + 1, targets: targets)
      exits.active = active
      atExit(&self, number + 1, h, active)
    }
    return h
  }

  /// What the passes so far have left behind for the rule.
  private struct ExitRecord {
    var active: Tensor?
    var stay: Tensor?
    var logits: Tensor?
  }

  /// What the rule compares with its threshold after a pass; nil if there is nothing yet.
  private mutating func measure(
    _ h: Tensor, _ rule: ExitRule, _ exits: inout ExitRecord, _ number: Int
  ) -> Tensor? {
    switch rule.measure {
    case .gate:
      exits.stay = gate(h, before: exits.stay).stay
      return exits.stay
    case .entropy: return graph.entropyShares(predictions(h, number))
    case .divergence:
      let logits = predictions(h, number)
      defer { exits.logits = logits }
      return exits.logits.map { graph.divergences(logits, before: $0) }
    }
  }

  /// What all rows would predict after a pass.
  ///
  /// The tokens of a text come to their last pass one after another, those of this pass side by
  /// side: the coda sees the states after this pass, and has caches of its own for that.
  private mutating func predictions(_ h: Tensor, _ number: Int) -> Tensor {
    logits(measuring(number) { $0.coda(h) }, lastOnly: false)
  }

  private mutating func measuring(
    _ number: Int, _ record: (inout ModelRecorder) -> Tensor
  ) -> Tensor {
    measuredPass = number
    defer { measuredPass = nil }
    return record(&self)
  }

  /// Fills the caches of the passes from `first` up to `count` of tokens that left with state `h`.
  mutating func fillCaches(_ h: Tensor, _ first: Int, _ count: Int, _ rule: ExitRule) {
    for layer in configuration.coreLayers {
      switch rule.fill {
      case .copy: projectKeys(h, layer, first..<count)
      case .share: shareKeys(layer, first..<count)
      }
    }
    // Nobody looks at what the last pass would predict.
    for number in first..<count - 1 where rule.measure != .gate {
      _ = measuring(number) { $0.coda(h) }
    }
  }
}
