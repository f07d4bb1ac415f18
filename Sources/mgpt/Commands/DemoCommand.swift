// `mgpt demo`: a model of given names, from nothing, in a minute, and another minute on a longer
// text if there is one (DemoText.swift).

import MicroGPT

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Trains on names and prints new ones, then on a longer text; returns the code to exit with.
func runDemo(_ asked: DemoOptions) throws -> Int32 {
  let path = try namesPath()
  let folder = try demoFolder()
  var train = demoRun(of: path, in: folder, asked)
  train.preset = "names"
  let code = try runTrain(train)
  if code != 0 { return code }
  try printNames(folder + "/best.safetensors", trainedOn: path, asked)
  guard let text = longerText(beside: path) else { return 0 }
  return try runTextDemo(text, in: folder + "-text", asked)
}

/// What both parts ask for: a run that may be repeated and takes the time of the demo.
func demoRun(of path: String, in folder: String, _ asked: DemoOptions) -> TrainOptions {
  var train = TrainOptions()
  train.data = path
  train.out = folder
  train.force = true
  train.threads = asked.threads
  train.seed = asked.seed
  train.sampleTokens = 0
  train.time = asked.seconds
  return train
}

/// `runs/demo`, or where the current folder can't be written to a folder for temporary files.
private func demoFolder() throws -> String {
  let folder = "runs/demo"
  do {
    try makeWritableFolder(folder, for: folder + "/last.safetensors")
    return folder
  } catch {
    let other = temporaryFolder() + "/mgpt-demo-\(getuid())"
    try makeWritableFolder(other, for: other + "/last.safetensors")
    Terminal.output.write("The current folder can't be written to; the demo uses \(other).\n")
    return other
  }
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

private func printNames(
  _ model: String, trainedOn path: String, _ asked: DemoOptions
) throws {
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
  let width = names.map(\.count).max() ?? 0
  Terminal.output.write("\nNames it made up:\n")
  for name in names {
    let mark = known.contains(name) ? Format.aligned(name, to: width + 3) + "in the list" : name
    Terminal.output.write("  \(mark)\n")
  }
  Terminal.output.write(
    "\(old.count) of these \(names.count) are in the data it learned from, \(path) "
      + "(\(known.count) names).\nMore: mgpt generate --model \(shellWord(model)) "
      + "--num-samples 20\n")
}
