// Finds the word that was probably meant. Not here: what words there are.

/// The candidate nearest to `word`, or nil if none is near.
///
/// Near is: at most two edits, or a third of the word's length, and fewer edits than characters; or
/// else a candidate of which `word` is the beginning (three characters or more). Capitals count as
/// small letters. The first of equally near candidates wins.
func suggestion(for word: String, among candidates: [String]) -> String? {
  let word = word.lowercased()
  let limit = max(2, word.count / 3)
  let distances = candidates.map { (candidate: $0, distance: editDistance(word, $0)) }
  let nearest = distances.min { $0.distance < $1.distance }
  if let nearest, nearest.distance <= limit,
    nearest.distance < min(word.count, nearest.candidate.count)
  {
    return nearest.candidate
  }
  return word.count >= 3 ? candidates.first { $0.hasPrefix(word) } : nil
}

/// The number of insertions, deletions, substitutions and swaps of neighbours between two words.
///
/// *Cost*: O(n·m) time, three rows of memory.
/// *Source*: F. Damerau (1964), "A technique for computer detection and correction of spelling
/// errors", doi 10.1145/363958.363994, in the restricted form: no edit inside a swapped pair.
func editDistance(_ first: String, _ second: String) -> Int {
  let a = Array(first.unicodeScalars)
  let b = Array(second.unicodeScalars)
  var beforePrevious: [Int] = []
  var previous = Array(0...b.count)
  for i in 0..<a.count {
    var current = [i + 1]
    for j in 0..<b.count {
      var best = min(previous[j + 1] + 1, current[j] + 1)
      best = min(best, previous[j] + (a[i] == b[j] ? 0 : 1))
      if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
        best = min(best, beforePrevious[j - 1] + 1)
      }
      current.append(best)
    }
    (beforePrevious, previous) = (previous, current)
  }
  return previous[b.count]
}
