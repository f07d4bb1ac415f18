// How deep tokens go into a recursive model when it is run: how many passes, and when a token may
// leave. A choice of whoever runs it; what the model itself was made for is in Recursion.swift.

/// What later passes find of a token that has left: where its keys and values come from.
public enum ExitFill: String, Sendable, CaseIterable {
  /// Projected, for each later pass, from the state in which it left.
  case copy
  /// Those of the pass in which it left.
  case share
}

/// When tokens leave a recursive model.
public struct ExitRule: Equatable, Sendable {
  /// What is compared with the threshold.
  public var measure = ExitMeasure.gate
  /// 0 … 1.
  public var threshold: Double
  /// No token leaves before this pass is done.
  public var minimumSteps = 1
  /// What later passes find of a token that has left.
  public var fill = ExitFill.copy

  /// The passes that every token goes through.
  var sharedPasses: Int { measure == .divergence ? max(2, minimumSteps) : minimumSteps }

  /// A rule by gates with this threshold.
  public init(threshold: Double) { self.threshold = threshold }
}

/// How deep tokens go.
public struct Depth: Equatable, Sendable {
  /// Passes at most; nil for as many as were trained.
  public var passes: Int?
  /// When a token may leave before; nil for never.
  public var exit: ExitRule?

  /// All passes for all tokens.
  public init() {}
}

/// Why a model can't be run to a depth that was asked for.
public enum DepthError: UserFacingError, Equatable {
  case notRecursive(option: String)
  case tooDeep(found: Int, trained: Int)
  case minimum(found: Int, passes: Int)
  case threshold(found: Double)
  case noGate
  case noThreshold(option: String)

  /// The code the process exits with.
  public var exitCode: ExitCode { .config }

  /// One line: what is wrong, what was expected, what to do.
  public var description: String {
    switch self {
    case .notRecursive(let option):
      "\(option) is for recursive models. Found a model that passes through its layers once. Leave "
        + "it out, or train one with --recursion-steps 3."
    case .tooDeep(let found, let trained):
      "--recursion-steps is more than was trained. Found \(found), expected 1 to \(trained): each "
        + "pass has gains of its own, and more passes than trained make predictions worse. Leave "
        + "it out, or train with --recursion-steps \(found)."
    case .minimum(let found, let passes):
      "--min-recursion-steps is out of range. Found \(found), expected 1 to \(passes), the passes "
        + "of this run."
    case .threshold(let found):
      "--exit-threshold is out of range. Found \(found), expected 0 to 1."
    case .noThreshold(let option):
      "\(option) says how tokens leave, but not when. Found no --exit-threshold, expected one from "
        + "0 to 1. Add --exit-threshold 0.5."
    case .noGate:
      "the model has no exit gates. Found one trained without them, expected --recursion-loss gate "
        + "in training. Use --exit-by entropy or kl, or leave out --exit-threshold."
    }
  }
}

extension Depth {
  /// Throws what `configuration` can't do.
  public func validate(for configuration: ModelConfiguration) throws(DepthError) {
    guard let recursion = configuration.recursion else {
      if let passes, passes != 1 { throw .notRecursive(option: "--recursion-steps") }
      if exit != nil { throw .notRecursive(option: "--exit-threshold") }
      return
    }
    let passes = passes ?? recursion.steps
    guard (1...recursion.steps).contains(passes) else {
      throw .tooDeep(found: passes, trained: recursion.steps)
    }
    guard let exit else { return }
    guard (1...passes).contains(exit.minimumSteps) else {
      throw .minimum(found: exit.minimumSteps, passes: passes)
    }
    guard (0...1).contains(exit.threshold) else { throw .threshold(found: exit.threshold) }
    if exit.measure == .gate && !recursion.hasGate { throw .noGate }
  }
}
