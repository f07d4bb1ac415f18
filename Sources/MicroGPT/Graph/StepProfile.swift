// Where the time of training steps goes: one clock reading after each operation, summed for a table
// and kept in a ring for a trace. All memory is reserved at the start; recording allocates nothing.
// What the sums mean is worked out in Training/ProfileReport.swift.

import CKernels

/// The times of the operations of training steps.
///
/// A step is a chain: each reading of the clock ends one span and begins the next, so the spans of
/// a step leave no gaps. *Cost*: a reading, some 25 ns on Linux, and two additions per operation.
public final class StepProfile {
  /// What a step does besides the graph.
  enum Part: Int, CaseIterable {
    /// The whole step; encloses all others.
    case step
    case batch, zeroing, gradientNorm, optimizer

    var name: String {
      switch self {
      case .gradientNorm: "gradient norm"
      default: "\(self)"
      }
    }
  }

  /// What one call of something costs, and what it is called.
  struct Label: Sendable {
    var name: String
    /// The direction in which an operation runs; nil for parts outside the graph.
    var phase: String?
    /// Floating-point operations of one call.
    var flops = 0.0
    /// Bytes that one call must read or write.
    var bytes = 0.0
    /// What it computes in.
    var precision = Precision.float32
  }

  /// One interval of the trace.
  struct Span {
    var label: Int
    /// The step it belongs to, counted from 1.
    var step: Int
    /// Seconds of the monotonic clock.
    var start: Double
    var end: Double
  }

  /// What was recorded under one label.
  struct Total {
    var seconds = 0.0
    var calls = 0
  }

  // A constant: counting the cases makes an array.
  private static let partCount = Part.allCases.count

  /// Spans that a ring holds at most: 2 MB.
  static let largestRing = 1 << 16

  /// The parts, then the moments of the schedule.
  private(set) var labels: [Label]
  /// Steps recorded so far.
  private(set) var stepCount = 0
  private let totals: UnsafeMutableBufferPointer<Total>
  private let ring: UnsafeMutableBufferPointer<Span>
  private var spanCount = 0
  private var stepStart = 0.0
  private var mark = 0.0

  /// Reserves the sums, and a ring for the last `traceSteps` steps of `passesPerStep` forward and
  /// backward passes each, as far as they fit into `largestRing` spans.
  init(_ graph: Graph, _ schedule: Schedule, passesPerStep: Int, traceSteps: Int) {
    labels = Part.allCases.map { Label(name: $0.name) }
    labels += schedule.moments.map { Label(graph.operations[$0.operation], $0) }
    totals = .allocate(capacity: labels.count)
    totals.initialize(repeating: Total())
    // A pass loads its batch, too.
    let wanted = traceSteps.multipliedReportingOverflow(
      by: Self.partCount + passesPerStep * (schedule.moments.count + 1))
    ring = .allocate(
      capacity: wanted.overflow ? Self.largestRing : min(wanted.partialValue + 1, Self.largestRing))
    ring.initialize(repeating: Span(label: 0, step: 0, start: 0, end: 0))
  }

  deinit {
    totals.deallocate()
    ring.deallocate()
  }

  // MARK: Recording

  /// Starts a step.
  func beginStep() {
    stepStart = mg_seconds()
    mark = stepStart
  }

  /// What was just done, since the last call, was `part`.
  func end(_ part: Part) { record(part.rawValue) }

  /// What was just done, since the last call, was moment `moment` of the graph's schedule.
  func end(moment: Int) { record(Self.partCount + moment) }

  /// Ends the step at the last reading of the clock.
  func endStep() {
    stepCount += 1
    add(Part.step.rawValue, from: stepStart, to: mark)
  }

  private func record(_ label: Int) {
    let now = mg_seconds()
    add(label, from: mark, to: now)
    mark = now
  }

  private func add(_ label: Int, from start: Double, to end: Double) {
    totals[label].seconds += end - start
    totals[label].calls += 1
    if ring.isEmpty { return }
    let step = label == Part.step.rawValue ? stepCount : stepCount + 1
    ring[spanCount % ring.count] = Span(label: label, step: step, start: start, end: end)
    spanCount += 1
  }

  // MARK: Reading

  /// Sets what one call of `part` costs.
  func setCost(of part: Part, flops: Double, bytes: Double) {
    labels[part.rawValue].flops = flops
    labels[part.rawValue].bytes = bytes
  }

  /// The sums of one label.
  func total(_ label: Int) -> Total { totals[label] }

  /// The spans of the last whole steps, in order of time, each step before its parts; all spans
  /// that are left where the ring holds not even one step.
  var spans: [Span] {
    let count = min(spanCount, ring.count)
    let kept = (0..<count).map { ring[(spanCount - count + $0) % ring.count] }
    // The oldest step in the ring has lost its first spans if anything was overwritten.
    let isStep = { (span: Span) in span.label == Part.step.rawValue }
    let whole = spanCount > count && kept.count(where: isStep) > 1
    let first = whole ? kept.firstIndex(where: isStep).map { $0 + 1 } ?? 0 : 0
    return kept[first...].sorted { ($0.start, -$0.end) < ($1.start, -$1.end) }
  }
}

extension StepProfile.Label {
  fileprivate init(_ operation: any Operation, _ moment: Schedule.Moment) {
    name = operation.name
    phase = "\(moment.direction)"
    precision = operation.precision
    switch moment.direction {
    case .forward, .recompute: (flops, bytes) = (operation.forwardFlops, operation.forwardBytes)
    case .backward: (flops, bytes) = (operation.backwardFlops, operation.backwardBytes)
    }
    if moment.skipsResult, let less = operation.flopsWithoutResult {
      (flops, bytes) = (less, bytes - byteCount(operation.outputs.prefix(1)))
    }
  }
}
