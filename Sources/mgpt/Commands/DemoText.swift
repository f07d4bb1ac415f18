// The second part of `mgpt demo`: the longest text beside the names, if there is one, with whatever
// `mgpt train` chooses for it.

import MicroGPT

/// Texts that a minute of training makes something of; what is longer than that is not read.
private let usefulByteCounts = 100_000...64_000_000

/// The longest text in the folder of `names`; nil if there is none.
func longerText(beside names: String) -> String? {
  let folder = parentFolder(of: names)
  let texts = filesOfFolder(folder).filter { $0.name.hasSuffix(".txt") && $0.name != "names.txt" }
    .filter { usefulByteCounts.contains($0.byteCount) }
  // Of two of one length the first by name: a folder has no order.
  let longest = texts.max { ($0.byteCount, $1.name) < ($1.byteCount, $0.name) }
  return longest.map { folder + "/" + $0.name }
}

/// Trains on `path` and prints what the model writes; returns the code to exit with.
func runTextDemo(_ path: String, in folder: String, _ asked: DemoOptions) throws -> Int32 {
  Terminal.output.write("\nNow a longer text, \(path), for as long.\n\n")
  let code = try runTrain(demoRun(of: path, in: folder, asked))
  if code != 0 { return code }
  let model = folder + "/best.safetensors"
  let saved = try ModelFile(path: model)
  let generator = try TextGenerator(
    model: saved.model, tokenizer: saved.tokenizer, compute: Compute(threadCount: 1))
  var options = GenerationOptions()
  options.seed = asked.seed ?? 1
  options.maxTokens = 200
  var bytes: [UInt8] = []
  _ = try generator.generate(
    prompt: [], layout: saved.layout, options: options, sample: 0,
    clock: { SystemInfo.seconds },
    emit: {
      bytes.append(contentsOf: $0)
      return true
    })
  let text = printableText(String(decoding: bytes, as: UTF8.self))
  Terminal.output.write(
    "\nWhat it writes:\n\(text)\nMore: mgpt generate --model \(shellWord(model))\n")
  return 0
}
