// Decodes several sequences at once: each weight is read once for all of them. The base of serving
// many users. Knows ids, not text.

/// Sequences in progress, each at a position of its own.
final class BatchDecoder {
  private let runner: SequenceRunner
  private let sequences: [CachedSequence]
  private let batch: CachedGraph

  /// Reserves caches and graphs; *throws* if memory lacks.
  init(
    model: GPT, compute: Compute, sequenceCount: Int, format: KeyValueFormat = .float32,
    depth: Depth = Depth()
  ) throws {
    precondition(sequenceCount > 0, "a batch of no sequences")
    try depth.validate(for: model.configuration)
    runner = try SequenceRunner(model: model, compute: compute, depth: depth)
    var sequences: [CachedSequence] = []
    for _ in 0..<sequenceCount {
      sequences.append(try CachedSequence(model.configuration, depth, format: format))
    }
    self.sequences = sequences
    batch = try CachedGraph(model, compute, depth, sequenceCount: sequenceCount, count: 1)
  }

  /// The number of sequences.
  var sequenceCount: Int { sequences.count }

  /// Tokens in the window of sequence `index`.
  func count(_ index: Int) -> Int { sequences[index].count }

  /// Makes `tokens` sequence `index`, as `Decoder.prefill`; returns the logits (V) of what follows.
  func prefill(_ tokens: [Int32], sequence index: Int) throws -> UnsafeMutablePointer<Float> {
    try runner.replace(sequences[index], by: tokens)
  }

  /// Takes one more token into each sequence; returns the logits (sequences, V) of what follows.
  ///
  /// A sequence whose token is negative rests: its row of the logits means nothing. Allocates
  /// nothing.
  func decode(_ tokens: [Int32]) -> UnsafeMutablePointer<Float> {
    precondition(tokens.count == sequences.count, "one token for each sequence")
    for index in 0..<sequences.count {  // an enumeration allocates in debug builds
      let (sequence, token) = (sequences[index], tokens[index])
      let rests = token < 0
      if !rests {
        runner.makeRoom(in: sequence)
        runner.settle(sequence)
      }
      batch.table.set(
        index, cache: sequence.cache, position: rests ? 0 : sequence.position,
        count: rests ? 0 : 1)
      batch.tokens[index] = rests ? 0 : token
      if !rests {
        sequence.append(token)
        sequence.settle()
      }
    }
    guard let result = batch.run() else { preconditionFailure("nobody to stop it") }
    return result.logits
  }
}
