// JSON values: what checkpoints, metrics and `--json` output are made of. Objects keep their
// order. A strict RFC 8259 reader with depth and size limits, and a compact writer; no Foundation.

/// One JSON value. Objects keep the order of their members.
public enum JSON: Equatable, Sendable {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSON])
  case object([Member])

  /// A key and its value.
  public struct Member: Equatable, Sendable {
    public var key: String
    public var value: JSON
    public init(_ key: String, _ value: JSON) {
      self.key = key
      self.value = value
    }
  }
}
