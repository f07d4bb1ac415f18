// What a profile says: time per operation, and how near it came to the roofline. Values only; the
// table is made in mgpt/Report/ProfileTable.swift.

/// The time of a training step, operation by operation.
public struct ProfileReport: Equatable, Sendable {
  /// All calls of one kind: operations of the same name in the same direction.
  public struct Row: Equatable, Sendable {
    /// What it is called.
    public var name: String
    /// "forward", "recompute" or "backward"; nil for what is not an operation of the graph.
    public var phase: String?
    /// Calls in all steps together.
    public var calls = 0
    /// The arithmetic whose peak it is held against.
    public var precision = Precision.float32
    /// Seconds in all steps together.
    public var seconds = 0.0
    /// Floating-point operations of all calls; 0 where that is no measure.
    public var flops = 0.0
    /// Bytes that all calls must read or write; 0 where that is no measure.
    public var bytes = 0.0
    /// The shortest possible duration of all calls; 0 where there is no bound.
    public var boundSeconds = 0.0
    /// What limits most of that duration.
    public var limit: Roofline.Limit?

    /// The part of the roofline that was reached; nil where there is no bound.
    public var shareOfRoofline: Double? {
      boundSeconds > 0 && seconds > 0 ? boundSeconds / seconds : nil
    }
  }

  /// Steps that were recorded.
  public var stepCount: Int
  /// Duration of all steps together.
  public var seconds: Double
  /// The slowest first.
  public var rows: [Row]
  /// The threads that the roofline was measured with.
  public var threads: Int

  /// Seconds of the steps that no row accounts for.
  public var otherSeconds: Double { seconds - rows.reduce(0) { $0 + $1.seconds } }
}

extension ProfileReport {
  /// Sums up `profile` and compares with `roofline`.
  public init(_ profile: StepProfile, roofline: Roofline, threads: Int) {
    self.threads = threads
    stepCount = profile.stepCount
    seconds = profile.total(StepProfile.Part.step.rawValue).seconds
    rows = []
    var places: [String: Int] = [:]
    for (index, label) in profile.labels.enumerated() where index != 0 {
      let total = profile.total(index)
      if total.calls == 0 { continue }
      let key = "\(label.phase ?? "") \(label.name)"
      let place = places[key] ?? rows.count
      places[key] = place
      if place == rows.count {
        rows.append(Row(name: label.name, phase: label.phase, precision: label.precision))
      }
      rows[place].add(total, label, roofline, threads)
    }
    rows.sort { $0.seconds > $1.seconds }
  }
}

extension ProfileReport.Row {
  fileprivate mutating func add(
    _ total: StepProfile.Total, _ label: StepProfile.Label, _ roofline: Roofline, _ threads: Int
  ) {
    let count = Double(total.calls)
    calls += total.calls
    seconds += total.seconds
    flops += count * label.flops
    bytes += count * label.bytes
    guard
      let bound = roofline.bound(
        flops: label.flops, bytes: label.bytes, footprint: Int(label.bytes), threads: threads,
        arithmetic: label.precision == .bfloat16 ? .bf16 : .float32)
    else { return }
    // Operations of one name have one shape, but for the few whose name doesn't tell it.
    if limit == nil || count * bound.seconds > boundSeconds { limit = bound.limit }
    boundSeconds += count * bound.seconds
  }
}

extension ProfileReport {
  /// The object that `--json` has under "profile"; durations and work are those of one step.
  public var json: JSON {
    let steps = Double(max(stepCount, 1))
    let list: [JSON] = rows.map { row in
      [
        "name": .string(row.name), "phase": row.phase.map(JSON.string) ?? .null,
        "precision": .string(row.precision.rawValue),
        "calls": .number(Double(row.calls) / steps), "ms": .number(row.seconds / steps * 1e3),
        "share_of_step": .number(row.seconds / seconds),
        "flops": .number(row.flops / steps), "bytes": .number(row.bytes / steps),
        "share_of_roofline": row.shareOfRoofline.map(JSON.number) ?? .null,
        "limit": row.limit.map { .string($0.rawValue) } ?? .null,
      ]
    }
    return [
      "steps": .integer(stepCount), "step_ms": .number(seconds / steps * 1e3),
      "other_ms": .number(otherSeconds / steps * 1e3), "operations": .array(list),
    ]
  }
}
