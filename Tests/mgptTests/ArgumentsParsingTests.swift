// From arguments to typed options: commands, spellings, values. Wrong ones are in
// ArgumentsErrorTests.swift.

import MicroGPT
import Testing

@testable import mgpt

@Suite struct ArgumentsParsingTests {
  @Test func noArgumentsRunTheDemo() throws {
    #expect(try parseCommandLine([]) == .demo(DemoOptions()))
    #expect(DemoOptions() == DemoOptions(seconds: 60, seed: nil, threads: nil))
  }

  @Test func everyTrainOptionArrivesInItsField() throws {
    let arguments = """
      train --data a.txt --layout documents --tokenizer byte --val-fraction 0.2 --out r/x --force \
      --family llama --preset small --layers 2 --heads 6 --kv-heads 3 --embed-dim 96 \
      --hidden-dim 256 --context 32 --activation gelu --qk-norm off --logit-soft-cap 0 \
      --tie-head on --dropout 0.1 --steps 2e3 --time 2m --batch-size 12 --grad-accum 4 \
      --optimizer adamw --lr 3e-3 --min-lr 0 --warmup 0 --schedule wsd --patience 5 \
      --weight-decay 0.01 --optimizer-state bf16 --adamw-lr 1e-3 --momentum 0.9 \
      --grad-clip-value 2 --beta1 0.8 --beta2 0.95 --grad-clip 0.5 --seed 7 --threads 2 \
      --eval-every 100 --save-every 0 --max-temp 75 --log-every 10 --sample-tokens 0 --plan \
      --profile --json --quiet
      """
    var expected = TrainOptions()
    expected.data = "a.txt"
    expected.layout = .documents
    expected.tokenizer = .kind(.byte)
    expected.validationFraction = 0.2
    expected.out = "r/x"
    expected.force = true
    expected.family = .llama
    expected.preset = "small"
    expected.layers = 2
    expected.heads = 6
    expected.keyValueHeads = 3
    expected.embedDim = 96
    expected.hiddenDim = 256
    expected.context = 32
    expected.activation = .gelu
    expected.queryKeyNorm = false
    expected.logitSoftCap = 0
    expected.tieHead = true
    expected.dropout = 0.1
    expected.steps = 2000
    expected.time = 120
    expected.batchSize = 12
    expected.gradAccum = 4
    expected.optimizer = .adamw
    expected.optimizerState = .bf16
    expected.adamWLearningRate = 0.001
    expected.momentum = 0.9
    expected.gradClipValue = 2
    expected.learningRate = 0.003
    expected.minLearningRate = 0
    expected.warmup = 0
    expected.schedule = .wsd
    expected.patience = 5
    expected.weightDecay = 0.01
    expected.beta1 = 0.8
    expected.beta2 = 0.95
    expected.gradClip = 0.5
    expected.seed = 7
    expected.threads = 2
    expected.evalEvery = 100
    expected.saveEvery = .steps(0)
    expected.maxTemp = 75
    expected.logEvery = 10
    expected.sampleTokens = 0
    expected.plan = true
    expected.profile = true
    expected.json = true
    expected.quiet = true
    #expect(try parse(arguments) == .train(expected))
  }

  static let intervals: [(text: String, expected: SaveInterval)] = [
    ("0", .steps(0)), ("250", .steps(250)), ("2e3", .steps(2000)), ("90s", .seconds(90)),
    ("10m", .seconds(600)), ("2h", .seconds(7200)), ("1000000s", .seconds(1_000_000)),
  ]

  @Test(arguments: intervals) func saveIntervals(
    _ example: (text: String, expected: SaveInterval)
  ) throws {
    var expected = TrainOptions()
    (expected.data, expected.saveEvery) = ("a", example.expected)
    #expect(try parse("train --data a --save-every \(example.text)") == .train(expected))
  }

  @Test func whatIsNotGivenStaysUnknown() throws {
    var expected = TrainOptions()
    expected.data = "a"
    #expect(try parse("train --data a") == .train(expected))
    #expect(expected.family == nil && expected.layers == nil && expected.learningRate == nil)
  }

  @Test func everyGenerateOptionArrivesInItsField() throws {
    let arguments = """
      generate --model m --max-tokens 9 --temperature 0 --top-k 40 --top-p 0.9 --min-p 0.1 \
      --typical-p 0.8 --repetition-penalty 1.2 --presence-penalty -0.5 --frequency-penalty 0.25 \
      --logit-bias 17:-2.5 --logit-bias=e:-inf --logprobs 5 --logprobs-out l.jsonl \
      --num-samples 3 --stop END --stop=--- --seed 1 --threads 1 --kv-cache int8
      """
    var expected = GenerateOptions(
      model: "m", prompt: "a b", maxTokens: 9, stop: ["END", "---"], numSamples: 3,
      logProbabilities: 5, logProbabilitiesFile: "l.jsonl", seed: 1, threads: 1,
      keyValueCache: .int8)
    expected.sampling.temperature = 0
    expected.sampling.topK = 40
    expected.sampling.topP = 0.9
    expected.sampling.minP = 0.1
    expected.sampling.typicalP = 0.8
    expected.sampling.repetitionPenalty = 1.2
    expected.sampling.presencePenalty = -0.5
    expected.sampling.frequencyPenalty = 0.25
    expected.logitBias = [
      LogitBiasArgument(target: .id(17), value: -2.5),
      LogitBiasArgument(target: .text("e"), value: -.infinity),
    ]
    let words = arguments.split(separator: " ").map(String.init) + ["--prompt", "a b"]
    #expect(try parseCommandLine(words) == .generate(expected))
  }

  @Test func everyChatOptionArrivesInItsField() throws {
    let line = """
      chat --model m --template chatml --system S --load c.json --max-tokens 9 --stop END \
      --temperature 0 --top-k 4 --typical-p 0.8 --top-p 0.9 --min-p 0.1 --repetition-penalty 1.2 \
      --presence-penalty 1 --frequency-penalty 2 --logit-bias 1:2 --seed 1 --threads 1
      """
    var expected = ChatOptions(
      model: "m", template: .chatml, system: "S", load: "c.json", maxTokens: 9, stop: ["END"],
      logitBias: [LogitBiasArgument(target: .id(1), value: 2)], seed: 1, threads: 1)
    (expected.sampling.temperature, expected.sampling.topK) = (0, 4)
    (expected.sampling.typicalP, expected.sampling.topP, expected.sampling.minP) = (0.8, 0.9, 0.1)
    expected.sampling.repetitionPenalty = 1.2
    (expected.sampling.presencePenalty, expected.sampling.frequencyPenalty) = (1, 2)
    #expect(try parse(line) == .chat(expected))
  }

  static let biases: [(String, LogitBiasArgument?)] = [
    ("17:-2.5", LogitBiasArgument(target: .id(17), value: -2.5)),
    ("0:1e1", LogitBiasArgument(target: .id(0), value: 10)),
    ("e:-inf", LogitBiasArgument(target: .text("e"), value: -.infinity)),
    ("::3", LogitBiasArgument(target: .text(":"), value: 3)),
    (" the:3", LogitBiasArgument(target: .text(" the"), value: 3)),
    ("\"7\":3", LogitBiasArgument(target: .text("7"), value: 3)),
    ("\"\"\":3", LogitBiasArgument(target: .text("\""), value: 3)),
    ("\":3", LogitBiasArgument(target: .text("\""), value: 3)),
    ("\"\":3", LogitBiasArgument(target: .text("\"\""), value: 3)),
    ("-1:3", LogitBiasArgument(target: .text("-1"), value: 3)),
    ("", nil), ("e", nil), (":3", nil), ("e:", nil), ("e:x", nil), ("e:inf", nil), ("e:nan", nil),
    ("e:1001", nil), ("99999999999999999999:1", nil),
  ]

  @Test(arguments: biases.indices) func logitBiases(_ index: Int) {
    let (text, expected) = Self.biases[index]
    #expect(ValueType.logitBias.parse(text) == expected, "\(text)")
  }

  @Test func smallerCommands() throws {
    #expect(
      try parse("eval --model m --data d --json --batch-size 4 --threads 2")
        == .eval(EvalOptions(model: "m", data: "d", batchSize: 4, json: true, threads: 2)))
    #expect(try parse("inspect m --json") == .inspect(InspectOptions(model: "m", json: true)))
    #expect(try parse("inspect --model m") == .inspect(InspectOptions(model: "m")))
    #expect(try parse("bench") == .bench(BenchOptions()))
    #expect(
      try parse("bench kernels --filter gemm --quick --json --threads 1")
        == .bench(
          BenchOptions(subject: .kernels, filter: "gemm", quick: true, json: true, threads: 1)))
    let training = """
      bench train --family llama --layers 2 --heads 6 --kv-heads 3 --embed-dim 96 --hidden-dim 256 \
      --context 32 --batch-size 3 --grad-accum 4 --vocab-size 50257 --steps 7 \
      --preset tiny --profile --trace t.json
      """
    #expect(
      try parse(training)
        == .bench(
          BenchOptions(
            subject: .train, family: .llama, preset: "tiny", layers: 2, heads: 6, keyValueHeads: 3,
            embedDim: 96,
            hiddenDim: 256, context: 32, vocabSize: 50257, batchSize: 3, gradAccum: 4, steps: 7,
            profile: true, trace: "t.json")))
    let generating = """
      bench generate --preset gpt2 --format int8 --format int4 --prompt-tokens 7 --max-tokens 8 \
      --decode-after 9 --sequences 2 --kv-cache f16 --runs 3 --keep k
      """
    #expect(
      try parse(generating)
        == .bench(
          BenchOptions(
            subject: .generate, preset: "gpt2", formats: [.int8, .int4], promptTokens: 7,
            maxTokens: 8, decodeAfter: 9, sequences: 2, keyValueCache: .float16, runs: 3,
            keep: "k")))
    #expect(
      try parse("demo --seconds 5 --seed 2 --threads 1")
        == .demo(DemoOptions(seconds: 5, seed: 2, threads: 1)))
    #expect(
      try parse("presets --vocab-size 7 --json --threads 1")
        == .presets(PresetsOptions(vocabSize: 7, json: true, threads: 1)))
    #expect(try parse("--version") == .version)
  }

  @Test(arguments: [
    ("--train --data d --iters 5", "train --data d --steps 5"),
    ("--data d --batch_size 3 --train", "train --data d --batch-size 3"),
    ("train --data d --save_checkpoint out/m.st", "train --data d --save-checkpoint out/m.st"),
    ("--train --load_checkpoint out/m.st", "train --resume out/m.st"),
    ("--train --checkpoint out/m.st", "train --resume out/m.st"),
    (
      "--generate --load_checkpoint m --start Hi --max_new_tokens 20 --top_k 5",
      "generate --model m --prompt Hi --max-tokens 20 --top-k 5"
    ),
    ("--start Hi --checkpoint m --generate", "generate --model m --prompt Hi"),
    ("--train --train --data d", "train --data d"),
    ("eval --checkpoint m --data=d", "eval --model m --data d"),
    ("train --embed_dim=64 --data d", "train --data d --embed-dim 64"),
    ("inspect -- m", "inspect m"),
  ])
  func spellings(older: String, current: String) throws {
    #expect(try parse(older) == parse(current))
  }

  @Test func olderCheckpointFileKeepsItsOwnField() throws {
    var expected = TrainOptions()
    expected.data = "d"
    expected.checkpointPath = "out/m.safetensors"
    #expect(
      try parse("train --data d --save_checkpoint out/m.safetensors") == .train(expected))
  }

  @Test(arguments: [
    (["--prompt=--train"], "--train"), (["--prompt", "-5"], "-5"), (["--prompt="], ""),
    (["--prompt", "-- he said"], "-- he said"), (["--prompt=a=b"], "a=b"),
    (["--prompt", "---"], "---"), (["--prompt", "Grüße\n"], "Grüße\n"), (["--prompt", "-"], "-"),
  ])
  func textsAreTakenAsTheyAre(arguments: [String], prompt: String) throws {
    let invocation = try parseCommandLine(["generate", "--model", "m"] + arguments)
    #expect(invocation == .generate(GenerateOptions(model: "m", prompt: prompt)))
  }

  @Test(arguments: [
    ("5", 5), ("+5", 5), ("1e3", 1000), ("1.5e3", 1500), ("2E1", 20), ("1", 1), ("9000", 9000),
  ])
  func wholeNumbers(text: String, value: Int) {
    #expect(ValueType<Int>.integer(1...9000).parse(text) == value)
  }

  @Test(arguments: [
    "", "0", "9001", "-1", "1e12", "1.5", "1e-1", "15e-1", "0x10", "1_000", "1,000", " 5", "5 ",
    "nan", "inf", "1e400", "99999999999999999999", "٣", "e", "1e",
  ])
  func notWholeNumbers(text: String) {
    #expect(ValueType<Int>.integer(1...9000).parse(text) == nil)
  }

  @Test func seedsCoverAllOf64Bits() {
    let seed = ValueType<UInt64>.integer(0...UInt64.max)
    #expect(seed.parse("18446744073709551615") == UInt64.max)
    #expect(seed.parse("18446744073709551616") == nil)
    #expect(seed.parse("-1") == nil)
    #expect(seed.parse("1e15") == 1_000_000_000_000_000)
  }

  @Test(arguments: [("0", 0), ("1", nil), ("0.999", 0.999), ("1e-3", 0.001), (".5", 0.5)])
  func realNumbersAboveOrAtTheLowerBound(text: String, value: Double?) {
    #expect(ValueType.real(.including(0), .excluding(1)).parse(text) == value)
  }

  @Test(arguments: ["", "nan", "NaN", "inf", "-inf", "1e999", "0x1p-3", "-0.1", "0", "2", "½", "."])
  func notRealNumbers(text: String) {
    #expect(ValueType.real(.excluding(0), .including(1)).parse(text) == nil)
  }

  @Test(arguments: [
    ("trian", "train"), ("TRAIN", "train"), ("evl", "eval"), ("gen", "generate"),
    ("bnech", "bench"), ("x", nil), ("zzzzz", nil), ("", nil),
  ])
  func suggestions(word: String, expected: String?) {
    let candidates = ["train", "generate", "eval", "bench"]
    #expect(suggestion(for: word, among: candidates) == expected)
  }

  @Test(arguments: [
    ("", "", 0), ("abc", "", 3), ("", "ab", 2), ("kitten", "sitting", 3), ("dmi", "dim", 1),
    ("ca", "abc", 3), ("abcd", "badc", 2),
  ])
  func editDistances(first: String, second: String, distance: Int) {
    #expect(editDistance(first, second) == distance)
    #expect(editDistance(second, first) == distance)
  }
}

/// Parses words separated by blanks.
func parse(_ line: String) throws(CommandLineError) -> Invocation {
  try parseCommandLine(line.split(separator: " ").map(String.init))
}
