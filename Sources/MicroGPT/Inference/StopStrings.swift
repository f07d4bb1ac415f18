// Stop strings: text goes in piece by piece, and comes out until one of the strings is complete.
// Works on bytes and knows no tokens; put an `IncrementalUTF8Decoder` in front of it.

/// A filter that ends a text before the first stop string, holding back no more than it must.
///
/// Held back is always the longest end of the text so far that is a beginning of some stop string.
/// It need not be stored: it *is* that beginning. So nothing is allocated after `init`.
///
/// Where several stop strings become complete with the same byte, the longest counts. Pieces that
/// end between characters come out as pieces that end between characters, because UTF-8 sequences
/// begin with bytes that occur nowhere else.
///
/// *Cost*: amortised O(number of stop strings) per byte.
///
/// *Source*: D. Knuth, J. Morris and V. Pratt (1977), "Fast Pattern Matching in Strings",
/// doi 10.1137/0206024.
public struct StopStrings: Sendable {
  private let strings: [[UInt8]]
  // failures[k][j]: length of the longest proper beginning of string k that ends its first j bytes.
  private let failures: [[Int]]
  // How many bytes of string k the text ends with.
  private var matched: [Int]
  // The string with the longest match; the text held back is its first matched[longest] bytes.
  private var longest = 0
  /// Whether a stop string has been seen; from then on nothing comes out.
  public private(set) var isStopped = false

  /// Prepares the search.
  ///
  /// Empty strings are ignored; none at all lets everything through.
  public init(_ strings: [[UInt8]]) {
    let strings = strings.filter { !$0.isEmpty }
    self.strings = strings
    failures = strings.map(Self.failureTable)
    matched = [Int](repeating: 0, count: strings.count)
  }

  /// Prepares the search for the UTF-8 form of `strings`.
  public init(_ strings: [String]) {
    self.init(strings.map { Array($0.utf8) })
  }

  /// Bytes taken in and neither released nor dropped.
  public var heldByteCount: Int { strings.isEmpty ? 0 : matched[longest] }

  /// Takes `bytes` and appends what certainly precedes every stop string to `output`.
  ///
  /// Returns whether a stop string is complete. Its text and all that follows is dropped.
  public mutating func append(_ bytes: [UInt8], to output: inout [UInt8]) -> Bool {
    for i in 0..<bytes.count where !isStopped { append(bytes[i], to: &output) }
    return isStopped
  }

  /// Ends the text: what was held back comes out after all, unless a stop string was found.
  public mutating func flush(to output: inout [UInt8]) {
    if !isStopped && heldByteCount > 0 {
      output.append(contentsOf: strings[longest][..<heldByteCount])
    }
    for k in matched.indices { matched[k] = 0 }
  }

  private mutating func append(_ byte: UInt8, to output: inout [UInt8]) {
    if strings.isEmpty {
      output.append(byte)
      return
    }
    let (oldLongest, oldCount) = (longest, matched[longest])
    var (complete, best) = (-1, 0)
    for k in strings.indices {
      var count = matched[k]
      while count > 0 && strings[k][count] != byte { count = failures[k][count] }
      if strings[k][count] == byte { count += 1 }
      matched[k] = count
      if count == strings[k].count && (complete < 0 || count > matched[complete]) { complete = k }
      if count > matched[best] { best = k }
    }
    isStopped = complete >= 0
    longest = isStopped ? complete : best
    // Text held before, then `byte`; all but the last matched[longest] of it is free to go.
    let released = oldCount + 1 - matched[longest]
    output.append(contentsOf: strings[oldLongest][..<min(released, oldCount)])
    if released > oldCount { output.append(byte) }
    if isStopped { for k in matched.indices { matched[k] = 0 } }
  }

  private static func failureTable(of string: [UInt8]) -> [Int] {
    var table = [Int](repeating: 0, count: string.count + 1)
    var count = 0
    for j in 1..<max(1, string.count) {
      while count > 0 && string[count] != string[j] { count = table[count] }
      if string[count] == string[j] { count += 1 }
      table[j + 1] = count
    }
    return table
  }
}
