// The closed lists of words that options accept. The raw value is what one types. Not here: what
// the words mean for the model or the training.

import MicroGPT

/// A named configuration of the architecture.
enum FamilyChoice: String, CaseIterable, Sendable {
  case modern, llama, gpt2, microgpt, randygpt, picogpt
}

/// The update rule.
enum OptimizerChoice: String, CaseIterable, Sendable {
  case adamw, muon
}

/// How the optimizer's moments are stored.
enum OptimizerStateChoice: String, CaseIterable, Sendable {
  case f32, bf16, int8
}

/// How the learning rate changes over the run.
enum ScheduleChoice: String, CaseIterable, Sendable {
  case constant, cosine, wsd, plateau
}

/// The numbers that training computes in.
enum PrecisionChoice: String, CaseIterable, Sendable {
  case f32, bf16
}

/// The activation of the MLP.
enum ActivationChoice: String, CaseIterable, Sendable {
  case relu2, gelu, relu, swiglu
}

/// What the passes of a recursive model learn.
enum RecursionLossChoice: String, CaseIterable, Sendable {
  case gate, deep, final
}

/// How the state of a recursive model enters the next pass.
enum InjectionChoice: String, CaseIterable, Sendable {
  case bounded, outer, input
}

/// How text becomes tokens: a kind of tokenizer, or the file of one.
enum TokenizerChoice: Equatable, Sendable {
  case kind(TokenizerKind)
  /// Byte-level BPE, in any format that `readTokenizer` knows.
  case file(String)
}

/// What `mgpt tokenizer` does.
enum TokenizerAction: String, CaseIterable, Sendable {
  case train, encode, decode, count, convert
}

/// How a text file is cut into training sequences.
enum LayoutChoice: String, CaseIterable, Sendable {
  case auto, stream, documents
  case blankLine = "blank-line"
  case endOfText = "endoftext"

  static let help =
    "Text as one stream, a document per line (documents), or documents between blank lines or "
    + "<|endoftext|>"
}

/// What `mgpt bench` measures.
enum BenchSubject: String, CaseIterable, Sendable {
  case kernels, train, generate
}

/// The formats that `mgpt bench generate` measures.
enum BenchFormat: String, CaseIterable, Sendable {
  case f32, int8
  case int8Block = "int8-block"
  case int4, all
}

/// The shells with completion scripts.
enum Shell: String, CaseIterable, Sendable {
  case bash, zsh, fish
}
