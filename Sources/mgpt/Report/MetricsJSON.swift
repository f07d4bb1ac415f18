// Lines of metrics read back. Writing is `JSON.description`.

import MicroGPT

/// The numbers of a JSON object on one line; other values are left out.
///
/// Nil unless the line is one whole object: a torn or foreign line is nobody's metrics.
func jsonNumbers(inLine line: some Sequence<UInt8>) -> [String: Double]? {
  guard let members = (try? JSON.parse(Array(line)))?.objectValue else { return nil }
  var numbers: [String: Double] = [:]
  for member in members { numbers[member.key] = member.value.doubleValue }
  return numbers
}
