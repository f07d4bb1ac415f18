// A profile as a trace file for chrome://tracing and Perfetto (ui.perfetto.dev): JSON in the Trace
// Event Format, complete events ("ph": "X") whose nesting follows from their times:
//
//     step ─┬─ batch, zeroing …
//           ├─ forward ── its operations
//           └─ backward ── its operations, broken by recompute where blocks run once more

extension StepProfile {
  /// Writes the spans that are left of the last steps to `path`, at once or not at all.
  public func writeTrace(to path: String) throws(FileError) {
    try AtomicFile.replace(path, with: trace.utf8Bytes)
  }

  /// The trace.
  var trace: JSON {
    let spans = spans
    let origin = spans.first?.start ?? 0
    var events: [JSON] = [
      Self.naming("process_name", "mgpt"), Self.naming("thread_name", "training"),
    ]
    events.reserveCapacity(events.count + 2 * spans.count)
    var phaseEnd = 0
    for (index, span) in spans.enumerated() {
      let label = labels[span.label]
      if index >= phaseEnd, let phase = label.phase {
        phaseEnd = endOfPhase(spans, from: index)
        let last = spans[phaseEnd - 1].end
        events.append(
          Self.event(phase, category: "phase", from: span.start, to: last, since: origin))
      }
      events.append(
        Self.event(
          label.name, category: label.phase ?? "step", from: span.start, to: span.end,
          since: origin, arguments: arguments(span)))
    }
    return ["displayTimeUnit": "ms", "traceEvents": .array(events)]
  }

  /// The end of the spans from `first` on that are of the same phase.
  private func endOfPhase(_ spans: [Span], from first: Int) -> Int {
    let phase = labels[spans[first].label].phase
    return spans[first...].firstIndex { labels[$0.label].phase != phase } ?? spans.count
  }

  private func arguments(_ span: Span) -> JSON {
    let label = labels[span.label]
    let seconds = span.end - span.start
    var members = [JSON.Member("step", .integer(span.step))]
    if label.flops > 0 && seconds > 0 {
      members.append(JSON.Member("gflops", .number(label.flops / seconds / 1e9)))
    }
    if label.bytes > 0 && seconds > 0 {
      members.append(JSON.Member("gb_per_second", .number(label.bytes / seconds / 1e9)))
    }
    return .object(members)
  }

  private static func naming(_ what: String, _ name: String) -> JSON {
    ["name": .string(what), "ph": "M", "pid": 1, "tid": 1, "args": ["name": .string(name)]]
  }

  /// Times are microseconds since the first span, to the nanosecond.
  private static func event(
    _ name: String, category: String, from start: Double, to end: Double, since origin: Double,
    arguments: JSON = .object([])
  ) -> JSON {
    let first = ((start - origin) * 1e9).rounded()
    let last = ((end - origin) * 1e9).rounded()
    return [
      "name": .string(name), "cat": .string(category), "ph": "X", "pid": 1, "tid": 1,
      "ts": .number(first / 1e3), "dur": .number((last - first) / 1e3), "args": arguments,
    ]
  }
}
