// The options of `mgpt presets`.

/// What `mgpt presets` was asked to do.
struct PresetsOptions: ThreadedOptions, JSONOptions {
  /// Token ids of the models; nil for those of each preset.
  var vocabSize: Int?
  var json = false
  var threads: Int?

  func invocation() -> Invocation { .presets(self) }

  static var name: String { "presets" }
  static var summary: String { "List the named sizes: weights, memory, predicted speed" }
  static var examples: [String] { ["mgpt presets", "mgpt presets --vocab-size 1024 --json"] }
  static var sections: [OptionSection<PresetsOptions>] {
    [
      OptionSection(
        "Options",
        [
          .value(
            "vocab-size", "N", .integer(1...1 << 24), into: \.vocabSize,
            default: "that of the published model, or one that is usual for the size",
            example: "1024", help: "Token ids to count with"),
          .threads,
          .json(help: "Print one JSON object"),
        ])
    ]
  }
}
