// Checkpoints: the same bits come back, and whatever is wrong with a file is said in one line.
import Testing

@testable import MicroGPT

@Suite struct TrainingCheckpointTests {
  @Test(arguments: SmallModels.names + SmallModels.recursive)
  func savesEveryBit(_ name: String) throws {
    let folder = try TemporaryFolder()
    let layout: CorpusLayout = name.utf8.count % 2 == 0 ? .stream : .documents
    let run = try SmallRun(name, layout: layout, seed: .max, accumulation: 2, schedule: .plateau)
    for _ in 0..<3 { _ = try run.trainer.runStep() }
    for loss in [2.5, 2.6, 2.4, 2.9] { run.trainer.schedule.observe(validationLoss: loss) }
    var progress = RunProgress()
    (progress.bestLoss, progress.bestStep, progress.evaluatedStep) = (0.1 + 0.2, 2, 3)
    let path = try run.save(folder.file("a.safetensors"), progress: progress)
    let (trainer, found, _) = try SmallRun.resumed(path, layout: layout)
    #expect(TrainerState(trainer) == run.state)
    #expect(found == progress && trainer.model.configuration == run.trainer.model.configuration)
    var recipe = run.trainer.configuration
    recipe.schedule = run.trainer.schedule
    #expect(trainer.configuration == recipe && trainer.schedule == run.trainer.schedule)
    let file = try ModelFile(path: path)
    #expect(file.layout == layout && file.tokenizer.json == run.tokenizer.json)
    #expect(try TrainingCheckpoint.step(of: file.file) == 3)
    // Written again, it is the same file byte for byte.
    let second = SmallRun(run, trainer)
    try second.save(folder.file("b.safetensors"), progress: found)
    let (a, b) = (try folder.content("a.safetensors"), try folder.content("b.safetensors"))
    #expect(a == b)
  }

  /// Every optimizer and storage: the state comes back bit by bit, and five steps after it, too.
  @Test(arguments: OptimizerChoice.all, ["gpt2", "llama-gqa-tied"])
  func resumesWithEveryOptimizer(_ optimizer: OptimizerChoice, _ name: String) throws {
    let folder = try TemporaryFolder()
    let run = try SmallRun(name, limit: 0.5, optimizer: optimizer)
    for _ in 0..<5 { _ = try run.trainer.runStep() }
    let path = try run.save(folder.file("a.safetensors"))
    let (trainer, _, compute) = try SmallRun.resumed(path, layout: .stream, threads: 2)
    #expect(trainer.configuration == run.trainer.configuration)
    #expect(TrainerState(trainer) == run.state)
    for _ in 0..<5 { _ = try (run.trainer.runStep(), trainer.runStep()) }
    #expect(TrainerState(trainer) == run.state && compute.threadCount == 2)
  }

  /// A run in bfloat16 says so in its checkpoint and goes on bit by bit, recomputing or not.
  @Test(arguments: [false, true], ["gpt2", "modern-dropout"])
  func resumesInBfloat16(_ recomputes: Bool, _ name: String) throws {
    let folder = try TemporaryFolder()
    let run = try SmallRun(
      name, graph: GraphChoice(precision: .bfloat16, recomputes: recomputes))
    for _ in 0..<5 { _ = try run.trainer.runStep() }
    let path = try run.save(folder.file("a.safetensors"))
    let (trainer, _, compute) = try SmallRun.resumed(path, layout: .stream, threads: 2)
    #expect(trainer.configuration.precision == .bfloat16 && compute.threadCount == 2)
    #expect(TrainerState(trainer) == run.state)
    let plain = try SmallRun(name)
    for _ in 0..<5 { _ = try (run.trainer.runStep(), trainer.runStep()) }
    for _ in 0..<10 { _ = try plain.trainer.runStep() }
    #expect(TrainerState(trainer) == run.state)
    #expect(plain.state.weights != run.state.weights)
  }

  /// Files of the time before there was a choice of optimizers.
  @Test func resumesWithoutWordsOnTheOptimizer() throws {
    let folder = try TemporaryFolder()
    let run = try SmallRun("modern")
    for _ in 0..<2 { _ = try run.trainer.runStep() }
    var file = try LooseCheckpoint(path: run.save(folder.file("a.safetensors")))
    let training = try #require(file.metadata.firstIndex { $0.key == "training" })
    let json = try JSON.parse(file.metadata[training].value)
    var members = try #require(json.objectValue).filter { $0.key != "grad_clip_value" }
    let optimizer = try #require(json["optimizer"]?.objectValue)
    let known = ["name", "beta1", "beta2", "epsilon", "weight_decay"]
    for i in members.indices where members[i].key == "optimizer" {
      members[i] = JSON.Member("optimizer", .object(optimizer.filter { known.contains($0.key) }))
    }
    file.metadata[training].value = JSON.object(members).description
    let (trainer, _, _) = try SmallRun.resumed(
      file.write(folder.file("b.safetensors")), layout: .stream)
    #expect(trainer.configuration == run.trainer.configuration)
    #expect(TrainerState(trainer) == run.state)
  }

  /// GPT-2's names and orientation, as Hugging Face's files have them.
  @Test func orientationOfGPT2() throws {
    let folder = try TemporaryFolder()
    let run = try SmallRun("gpt2")
    SmallModels.randomize(run.trainer.model, seed: 1)
    let file = try SafeTensors(path: run.save(folder.file("a.safetensors")))
    let (width, hidden) = (12, 20)
    let vocabulary = run.tokenizer.vocabularySize
    let shapes: [(String, [Int])] = [
      ("wte.weight", [vocabulary, width]), ("wpe.weight", [7, width]),
      ("h.0.ln_1.weight", [width]), ("h.0.ln_1.bias", [width]),
      ("h.1.attn.c_attn.weight", [width, 3 * width]), ("h.1.attn.c_attn.bias", [3 * width]),
      ("h.1.attn.c_proj.weight", [width, width]), ("h.0.ln_2.bias", [width]),
      ("h.0.mlp.c_fc.weight", [width, hidden]), ("h.0.mlp.c_proj.weight", [hidden, width]),
      ("ln_f.weight", [width]), ("ln_f.bias", [width]),
      ("optimizer.moment1.h.0.mlp.c_fc.weight", [width, hidden]),
    ]
    for (name, shape) in shapes { _ = try file.require(name, shape: shape) }
    #expect(file.entry(named: "lm_head.weight") == nil && file.metadata["format"] == "pt")
    let stored = try file.floats(of: "h.0.mlp.c_fc.weight")
    let model = run.trainer.model
    let ours = model.values(of: try #require(model.table["blocks.0.mlp.up.weight"]))
    for i in 0..<width {
      for o in 0..<hidden { #expect(stored[i * hidden + o] == ours[o * width + i]) }
    }
  }

  // MARK: Bad files

  private static func checkpoint(_ folder: TemporaryFolder) throws -> LooseCheckpoint {
    let run = try SmallRun("modern")
    _ = try run.trainer.runStep()
    return try LooseCheckpoint(path: run.save(folder.file("good.safetensors")))
  }

  private func load(_ path: String) throws { _ = try SmallRun.resumed(path, layout: .stream) }

  /// Cut anywhere or with any byte changed: an error for users, never a crash.
  @Test func truncatedAndFlipped() throws {
    let folder = try TemporaryFolder()
    _ = try Self.checkpoint(folder)
    let good = try folder.content("good.safetensors")
    var random = RandomGenerator(seed: 5)
    let (start, count) = (8, good.count)
    for round in 0..<120 {
      let cut = round < 40 ? round * start : random.next(below: count)
      let path = try folder.put("cut", Array(good[..<cut]))
      #expect(folder.failure { try load(path) }.hasPrefix(cut == 0 ? "66" : "65"), "cut at \(cut)")
    }
    for round in 0..<120 {
      var bytes = good
      let at = round < 60 ? random.next(below: 5000) : random.next(below: count)
      bytes[at] ^= UInt8(1 << random.next(below: 8))
      let path = try folder.put("flipped", bytes)
      let message = folder.failure { try load(path) }
      #expect(!message.hasPrefix("no error") && !message.hasPrefix("not for users"), "byte \(at)")
    }
    #expect(folder.failure { try load(folder.file("good.safetensors")) } == "no error")
  }

  @Test func foreignFiles() throws {
    let folder = try TemporaryFolder()
    let text = try folder.put("a.txt", Array("To be, or not to be".utf8))
    #expect(
      folder.failure { try load(text) }
        == "65 DIR/a.txt is not a safetensors file. Found text that "
        + "starts with \"To be, o\", expected a header length and JSON. Name a .safetensors file.")
    #expect(folder.failure { try load(folder.path) }.hasPrefix("66 DIR is a folder"))
    #expect(
      folder.failure { try load(folder.file("none")) }.hasPrefix("66 DIR/none does not exist"))
    var other = LooseCheckpoint()
    other.tensors = [("weight", [2], [1, 2])]
    other.metadata = [("format", "pt")]
    let path = try other.write(folder.file("b"))
    #expect(
      folder.failure { try load(path) } == "65 DIR/b has no metadata configuration: mgpt did not "
        + "write it, or another program dropped it. Name a checkpoint that mgpt wrote.")
  }

  static let changes: [(String, String, String, JSON)] = [
    // What fails, with which message, by which change of configuration or run.
    (
      "78 --heads is out of range. Found 0, expected 1 to 1024.", "configuration", "heads", 0
    ),
    (
      "78 --embed-dim must be a multiple of --heads. Found --embed-dim 12 with --heads 5. Use "
        + "--embed-dim 10 or 20, or other --heads.", "configuration", "heads", 5
    ),
    (
      "78 --layers is out of range. Found 1000000000000, expected 1 to 1024.", "configuration",
      "layers", 1_000_000_000_000
    ),
    (
      "65 DIR/bad does not fit the model. Found tensor embedding.token.weight of shape (30, 12), "
        + "expected (16777216, 12). Check the model's configuration or name another checkpoint.",
      "configuration", "vocabulary_size", .integer(1 << 24)
    ),
    (
      "65 DIR/bad does not fit the model. Found no tensor blocks.2.attention.qkv.weight, expected "
        + "one. Check the model's configuration or name another checkpoint.", "configuration",
      "layers", 1024
    ),
    (
      "65 DIR/bad does not fit the model. Found tensor blocks.0.mlp.up.weight of shape (20, 12), "
        + "expected (1048576, 12). Check the model's configuration or name another checkpoint.",
      "configuration", "hidden_dim", .integer(1 << 20)
    ),
    (
      "65 DIR/bad has damaged metadata training. Found no usable \"steps\", expected a saved run. "
        + "Copy the file again or use another checkpoint.", "training", "steps", "many"
    ),
    (
      "65 DIR/bad has damaged metadata training. Found sizes out of range, expected a saved run. "
        + "Copy the file again or use another checkpoint.", "training", "batch_size",
      .integer(.max)
    ),
    (
      "65 DIR/bad has damaged metadata training. Found sizes out of range, expected a saved run. "
        + "Copy the file again or use another checkpoint.", "training", "grad_accum", 0
    ),
    (
      "65 DIR/bad has damaged metadata training. Found a negative step, expected a saved run. "
        + "Copy the file again or use another checkpoint.", "training", "step", -1
    ),
    (
      "65 DIR/bad has damaged metadata training. Found an unknown schedule, expected a saved run. "
        + "Copy the file again or use another checkpoint.", "training", "schedule",
      [
        "kind": "wave", "lr": 1.0, "min_lr": 0.0, "warmup": 1, "patience": 1, "halvings": 0,
        "evaluations_since_best": 0, "plateau_best": 1.0,
      ]
    ),
    (
      "65 The checkpoint's data position is damaged at \"layout\". Found nothing, expected a "
        + "string. Use another checkpoint.", "training", "data", "lost"
    ),
  ]

  /// Files whose checksums are right but whose facts are not.
  ///
  /// None of them costs memory.
  @Test(arguments: changes.indices) func wrongFacts(_ index: Int) throws {
    let (words, text, key, value) = Self.changes[index]
    let folder = try TemporaryFolder()
    var file = try Self.checkpoint(folder)
    try file.set(text, key, value)
    let path = try file.write(folder.file("bad"))
    let before = SystemInfo.peakResidentByteCount
    #expect(folder.failure { try load(path) } == words)
    #expect(SystemInfo.peakResidentByteCount - before < 256 << 20)
  }

  @Test func missingOptimizerState() throws {
    let folder = try TemporaryFolder()
    var file = try Self.checkpoint(folder)
    file.tensors.removeAll { $0.name.hasPrefix("optimizer.moment2.") }
    let path = try file.write(folder.file("bad"))
    #expect(
      folder.failure { try load(path) } == "65 DIR/bad does not fit the model. Found no tensor "
        + "optimizer.moment2.embedding.token.weight, expected one. Check the model's configuration "
        + "or name another checkpoint.")
    // As a model it is complete.
    #expect(folder.failure { _ = try ModelFile(path: path) } == "no error")
  }

  @Test func otherText() throws {
    let folder = try TemporaryFolder()
    _ = try Self.checkpoint(folder)
    let path = folder.file("good.safetensors")
    #expect(
      folder.failure { _ = try SmallRun.resumed(path, layout: .documents) }.hasPrefix(
        "65 The data are not those of the saved run: the layout differs."))
  }
}
