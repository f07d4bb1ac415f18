// `mgpt demo`: a model of given names, from nothing, in a minute.

import MicroGPT

/// Trains on names and prints new ones; returns the code to exit with.
func runDemo(_ asked: DemoOptions) throws -> Int32 {
  let path = try namesPath()
  let folder = "runs/demo"
  var train = TrainOptions()
  train.data = path
  train.out = folder
  train.force = true  // a demo may be run again
  train.threads = asked.threads
  train.seed = asked.seed
  (train.layers, train.heads, train.embedDim, train.context) = (4, 4, 64, 16)
  train.batchSize = 64
  train.sampleTokens = 0
  train.steps = try affordableSteps(train, seconds: Double(asked.seconds))
  train.evalEvery = ((train.steps ?? 1) + 2) / 3
  let code = try runTrain(train)
  if code != 0 { return code }
  return try printNames(folder + "/best.safetensors", trainedOn: path, asked)
}

/// The names that come with the project: in the current folder, or beside the build folder that the
/// program is in.
private func namesPath() throws -> String {
  let name = "data/names.txt"
  var folder = parentFolder(of: CommandLine.arguments[0])
  var candidates = [name]
  for _ in 0..<4 {
    candidates.append(folder + "/" + name)
    folder += "/.."
  }
  if let found = candidates.first(where: fileExists) { return found }
  throw SetupError.missing(
    flag: name,
    why: "run the demo in the project's folder, or train on a text of your own with "
      + "mgpt train --data FILE")
}

/// The steps that fit into `seconds`, from the measured time of a few.
private func affordableSteps(_ train: TrainOptions, seconds: Double) throws -> Int {
  var trial = train
  trial.steps = 100
  let setup = try TrainSetup(trial)
  let trainer = try Trainer(
    model: setup.model, configuration: setup.configuration, training: setup.corpus.training,
    compute: Compute(threadCount: train.threads ?? SystemInfo.processorCount))
  for _ in 0..<3 { _ = try trainer.runStep() }
  let start = SystemInfo.seconds
  for _ in 0..<10 { _ = try trainer.runStep() }
  let step = max(SystemInfo.seconds - start, 1e-6) / 10
  // A fifth is left for evaluations and for a machine that becomes busier.
  return min(max(Int(0.8 * seconds / step) / 10 * 10, 50), 10_000)
}

private func printNames(
  _ model: String, trainedOn path: String, _ asked: DemoOptions
) throws -> Int32 {
  let saved = try ModelFile(path: model)
  let known = Set(
    String(decoding: try readFile(path), as: UTF8.self).split(separator: "\n").map(String.init))
  let generator = try TextGenerator(
    model: saved.model, tokenizer: saved.tokenizer, compute: Compute(threadCount: 1))
  var options = GenerationOptions()
  options.seed = asked.seed ?? 1
  options.maxTokens = 32
  options.sampling.temperature = 1
  var names: [String] = []
  for sample in 0..<20 {
    var bytes: [UInt8] = []
    _ = try generator.generate(
      prompt: [], layout: saved.layout, options: options, sample: sample,
      clock: { SystemInfo.seconds },
      emit: {
        bytes.append(contentsOf: $0)
        return true
      })
    names.append(String(decoding: bytes, as: UTF8.self))
  }
  let old = names.filter(known.contains)
  Terminal.output.write("\nNew names from \(saved.model.parameterCount) parameters:\n")
  for name in names {
    Terminal.output.write("  \(name)\(known.contains(name) ? "   (a name it was shown)" : "")\n")
  }
  Terminal.output.write(
    "\(old.count) of these \(names.count) are among the \(known.count) names in \(path).\n"
      + "More: mgpt generate --model \(model) --num-samples 20\n")
  return 0
}
