// Every message of the command line, word for word.

import MicroGPT
import Testing

@testable import mgpt

@Suite struct ArgumentsErrorTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let arguments: [String]
    let message: String
    var testDescription: String { name }

    init(_ name: String, _ arguments: [String], _ message: String) {
      self.name = name
      self.arguments = arguments
      self.message = message
    }
  }

  static let commands = [
    Case("misspelt command", ["trian"], #"mgpt: unknown command "trian". Did you mean train?"#),
    Case(
      "unknown command", ["frobnicate"],
      #"mgpt: unknown command "frobnicate". Expected demo, train, generate, chat, eval, inspect, "#
        + "quantize, dequantize, tokenizer, data, presets, bench, completions or help. See mgpt --help"
    ),
    Case(
      "empty command", [""],
      #"mgpt: unknown command "". Expected demo, train, generate, chat, eval, inspect, "#
        + "quantize, dequantize, tokenizer, data, presets, bench, completions or help. See mgpt --help"
    ),
    Case(
      "option before a command", ["--data", "x"],
      #"mgpt: no command given. Found "--data" first, expected train, eval, quantize, tokenizer or data. See mgpt --help"#
    ),
    Case(
      "unknown option before a command", ["--frobnicate", "train"],
      #"mgpt: no command given. Found "--frobnicate" first, expected a command. See mgpt --help"#
    ),
    Case(
      "two older modes", ["--train", "--data", "x", "--generate"],
      "mgpt: two modes given. Found --train and --generate, expected one. Remove one of them"),
    Case(
      "unknown help topic", ["help", "trian"],
      #"mgpt help: bad value for COMMAND. Found "trian", expected demo, train, generate, chat, "#
        + "eval, inspect, quantize, dequantize, tokenizer, data, presets, bench, completions or help. "
        + "Example: mgpt help train"),
    Case(
      "no shell", ["completions"],
      "mgpt completions: SHELL is missing. Expected bash, zsh or fish. "
        + "Example: mgpt completions bash"),
    Case(
      "unknown shell", ["completions", "tcsh"],
      #"mgpt completions: bad value for SHELL. Found "tcsh", expected bash, zsh or fish. "#
        + "Example: mgpt completions bash"),
    Case(
      "unknown benchmark", ["bench", "coffee"],
      #"mgpt bench: bad value for SUBJECT. Found "coffee", expected kernels, train "#
        + "or generate. Example: mgpt bench kernels"),
  ]

  static let options = [
    Case(
      "misspelt option", ["train", "--embed-dmi", "128"],
      "mgpt train: unknown option --embed-dmi. Did you mean --embed-dim?"),
    Case(
      "beginning of an option", ["train", "--embed=128"],
      "mgpt train: unknown option --embed. Did you mean --embed-dim?"),
    Case(
      "another program's name", ["train", "--learning_rate", "1"],
      "mgpt train: unknown option --learning_rate. Did you mean --lr?"),
    Case(
      "one dash", ["train", "-data", "x"],
      "mgpt train: unknown option -data. Did you mean --data?"),
    Case(
      "capitals", ["train", "--Heads", "3"],
      "mgpt train: unknown option --Heads. Did you mean --heads?"),
    Case(
      "unknown option", ["train", "--frobnicate"],
      "mgpt train: unknown option --frobnicate. See mgpt train --help"),
    Case(
      "unprintable option", ["train", "--a\n"],
      #"mgpt train: unknown option "--a\n". See mgpt train --help"#),
    Case(
      "option of another command", ["eval", "--temperature", "1"],
      "mgpt eval: unknown option --temperature. It belongs to mgpt generate and chat. "
        + "See mgpt eval --help"),
    Case(
      "option of several other commands", ["inspect", "--seed", "1"],
      "mgpt inspect: unknown option --seed. It belongs to mgpt demo, train, generate and chat. "
        + "See mgpt inspect --help"),
    Case(
      "flag with a value", ["train", "--json=yes"],
      #"mgpt train: --json takes no value. Found "yes", expected --json alone. Remove the value"#),
    Case(
      "no value at the end", ["train", "--heads"],
      "mgpt train: --heads needs a value. Found nothing after it, "
        + "expected a whole number from 1 to 1024. Example: --heads 4"),
    Case(
      "option in place of a value", ["train", "--data", "--json"],
      "mgpt train: --data needs a value. Found --json after it, "
        + "expected the path of a file or a folder. Example: --data data/names.txt"),
    Case(
      "option in place of a text", ["generate", "--prompt", "--start"],
      "mgpt generate: --prompt needs a value. Found --start after it, "
        + "expected a text. Write --prompt=--start if that is the value"),
    Case(
      "end of options in place of a value", ["train", "--seed", "--"],
      "mgpt train: --seed needs a value. Found -- after it, expected a whole number "
        + "from 0 to 18446744073709551615. Example: --seed 1"),
    Case(
      "same option twice", ["train", "--heads", "4", "--heads=8"],
      "mgpt train: two values for --heads. Found --heads 4 and --heads 8, "
        + "expected one. Remove one of them"),
    Case(
      "two spellings of one option", ["train", "--iters", "4", "--steps", "8"],
      "mgpt train: two values for --steps. Found --iters 4 and --steps 8, "
        + "expected one. Remove one of them"),
    Case(
      "two output places", ["train", "--out", "a b", "--save_checkpoint", "c/d"],
      #"mgpt train: two values for --out. Found --out "a b" and --save_checkpoint c/d, "#
        + "expected one. Remove one of them"),
    Case(
      "two files", ["inspect", "a", "b"],
      "mgpt inspect: two values for --model. Found a and b, expected one. Remove one of them"),
    Case(
      "two benchmarks", ["bench", "kernels", "kernels"],
      "mgpt bench: two values for SUBJECT. Found kernels and kernels, expected one. "
        + "Remove one of them"),
    Case(
      "nothing to train on", ["train", "--heads", "4"],
      "mgpt train: --data is missing. Expected the path of a file or a folder, or --resume. "
        + "Example: --data data/names.txt"),
    Case(
      "no model", ["generate", "--prompt", "x"],
      "mgpt generate: --model is missing. Expected the path of a file. "
        + "Example: --model runs/names/best.safetensors"),
    Case(
      "nothing to inspect", ["inspect"],
      "mgpt inspect: FILE is missing. Expected the path of a file. "
        + "Example: mgpt inspect runs/names/best.safetensors"),
    Case(
      "file without its option", ["train", "names.txt"],
      #"mgpt train: unexpected argument. Found "names.txt", expected an option. "#
        + "Did you mean --data names.txt?"),
    Case(
      "file with an odd name", ["eval", "--data", "d", "a\nb"],
      #"mgpt eval: unexpected argument. Found "a\nb", expected an option. "#
        + #"Did you mean --model "a\nb"?"#),
    Case(
      "stray word", ["train", "--data", "a", "names.txt"],
      #"mgpt train: unexpected argument. Found "names.txt", expected an option. "#
        + "See mgpt train --help"),
    Case(
      "option after the end of options", ["train", "--", "--json"],
      #"mgpt train: unexpected argument. Found "--json", expected an option. "#
        + "See mgpt train --help"),
  ]

  static let values = [
    bad("--heads", "three", "a whole number from 1 to 1024", "--heads 4"),
    bad("--heads", "0", "a whole number from 1 to 1024", "--heads 4"),
    bad("--heads", "-3", "a whole number from 1 to 1024", "--heads 4"),
    bad("--heads", "2.5", "a whole number from 1 to 1024", "--heads 4"),
    bad("--layers", "1e12", "a whole number from 1 to 1024", "--layers 4"),
    bad("--embed-dim", "1e12", "a whole number from 1 to 65536", "--embed-dim 128"),
    bad("--context", "0", "a whole number from 1 to 1048576", "--context 64"),
    bad("--batch-size", "0", "a whole number from 1 to 65536", "--batch-size 12"),
    bad("--iters", "0", "a whole number from 1 to 1000000000", "--steps 2000"),
    bad("--seed", "-1", "a whole number from 0 to 18446744073709551615", "--seed 1"),
    bad("--threads", "0", "a whole number from 1 to 256", "--threads 4"),
    bad("--lr", "nan", "a number above 0 and at most 10", "--lr 3e-3"),
    bad("--lr", "inf", "a number above 0 and at most 10", "--lr 3e-3"),
    bad("--lr", "0", "a number above 0 and at most 10", "--lr 3e-3"),
    bad("--dropout", "1", "a number of at least 0 and below 1", "--dropout 0.1"),
    bad("--weight-decay", "x", "a number from 0 to 10", "--weight-decay 0.1"),
    bad("--val-fraction", "0.6", "a number above 0 and at most 0.5", "--val-fraction 0.1"),
    bad("--qk-norm", "yes", "on or off", "--qk-norm on"),
    bad("--optimizer", "sgd", "adamw or muon", "--optimizer adamw"),
    bad("--optimizer-state", "fp8", "f32, bf16 or int8", "--optimizer-state bf16"),
    bad("--precision", "fp16", "f32 or bf16", "--precision bf16"),
    bad("--adamw-lr", "0", "a number above 0 and at most 10", "--adamw-lr 3e-3"),
    bad("--momentum", "1", "a number of at least 0 and below 1", "--momentum 0.95"),
    bad("--grad-clip-value", "-1", "a number from 0 to 1000000", "--grad-clip-value 1"),
    bad("--schedule", "linear", "constant, cosine, wsd or plateau", "--schedule cosine"),
    bad(
      "--family", "gpt5", "modern, llama, gpt2, microgpt, randygpt or picogpt", "--family modern"),
    bad("--max-temp", "39", "a number from 40 to 110", "--max-temp 75"),
    bad("--max-temp", "110.5", "a number from 40 to 110", "--max-temp 75"),
    bad("--max-temp", "hot", "a number from 40 to 110", "--max-temp 75"),
    bad("--max-temp", "nan", "a number from 40 to 110", "--max-temp 75"),
    badInterval("10min"), badInterval("0m"), badInterval("-5s"), badInterval("1.5h"),
    badInterval("m"), badInterval("10 m"), badInterval("10M"), badInterval("1000001s"),
    badInterval("-1"), badInterval("2.5"), badInterval("1e10"), badInterval("never"),
    badTime("0s"), badTime("-5m"), badTime("30"), badTime("soon"), badTime(""), badTime("1.5h"),
    badTime("h"), badTime("1000001s"),
    bad("--data", "", "the path of a file or a folder", "--data data/names.txt"),
    bad("--preset", "", "the name of a preset", "--preset small"),
    Case(
      "control characters", ["train", "--heads", "1\n\u{1B}[31m\""],
      #"mgpt train: bad value for --heads. Found "1\n\u{1B}[31m\"", "#
        + "expected a whole number from 1 to 1024. Example: --heads 4"),
    Case(
      "a long value", ["train", "--heads", String(repeating: "9", count: 100)],
      #"mgpt train: bad value for --heads. Found ""# + String(repeating: "9", count: 60)
        + #"...", expected a whole number from 1 to 1024. Example: --heads 4"#),
    Case(
      "an unknown template", ["chat", "--model", "m", "--template", "llama"],
      #"mgpt chat: bad value for --template. Found "llama", expected plain or chatml. "#
        + "Example: --template plain"),
    Case(
      "nobody to talk with", ["chat"],
      "mgpt chat: --model is missing. Expected the path of a file. "
        + "Example: --model runs/names/best.safetensors"),
    Case(
      "a bias without a number", ["generate", "--model", "m", "--logit-bias", "e"],
      #"mgpt generate: bad value for --logit-bias. Found "e", expected ID:X or TEXT:X with X from "#
        + "-1000 to 1000, or -inf. Example: --logit-bias 17:-2.5"),
    Case(
      "no typical probability", ["generate", "--model", "m", "--typical-p", "0"],
      #"mgpt generate: bad value for --typical-p. Found "0", expected a number above 0 and at "#
        + "most 1. Example: --typical-p 0.95"),
    Case(
      "a large penalty", ["generate", "--model", "m", "--presence-penalty", "101"],
      #"mgpt generate: bad value for --presence-penalty. Found "101", expected a number from "#
        + "-100 to 100. Example: --presence-penalty 0.5"),
    Case(
      "too many log-probabilities", ["generate", "--model", "m", "--logprobs", "1001"],
      #"mgpt generate: bad value for --logprobs. Found "1001", expected a whole number from 0 to "#
        + "1000. Example: --logprobs 5"),
    Case(
      "an unknown cache", ["generate", "--model", "m", "--kv-cache", "int4"],
      #"mgpt generate: bad value for --kv-cache. Found "int4", expected f32, f16 or int8. "#
        + "Example: --kv-cache int8"),
    Case(
      "an empty stop text", ["generate", "--model", "m", "--stop="],
      #"mgpt generate: bad value for --stop. Found "", expected a text of at least one "#
        + "character. Example: --stop END"),
  ]

  private static func badInterval(_ value: String) -> Case {
    bad(
      "--save-every", value,
      "a whole number of steps from 0 to 1000000000, or a time such as 90s, 10m or 2h",
      "--save-every 10m")
  }

  private static func badTime(_ value: String) -> Case {
    bad("--time", value, "a time such as 90s, 30m or 2h", "--time 30m")
  }

  private static func bad(
    _ option: String, _ value: String, _ expectation: String, _ example: String
  ) -> Case {
    Case(
      "\(option)=\(value)", ["train", option, value],
      #"mgpt train: bad value for \#(option). Found "\#(value)", expected \#(expectation). "#
        + "Example: \(example)")
  }

  @Test(arguments: commands + options + values)
  func message(_ example: Case) {
    do {
      let invocation = try parseCommandLine(example.arguments)
      Issue.record("accepted as \(invocation)")
    } catch {
      #expect(error.description == example.message)
      #expect(error.exitCode == .usage)
      #expect(!error.description.contains("\n"))
    }
  }

  /// The examples of the messages must be right themselves.
  @Test func everyExampleIsAccepted() {
    for type in commandTypes { checkExamples(of: type) }
  }

  private func checkExamples<Root: CommandOptions>(of type: Root.Type) {
    var root = Root()
    for option in type.sections.flatMap(\.options) + [type.positional].compactMap({ $0 }) {
      guard option.description.valueName != nil else { continue }
      let example = option.description.exampleValue ?? ""
      #expect(option.store(&root, example), "mgpt \(type.name): \(option.description.example)")
    }
  }

  /// Two options of one command must not answer to the same name.
  @Test func namesAreUnique() {
    for command in CommandDescription.all {
      let names = command.options.flatMap { [$0.name] + $0.aliases } + ["help"]
      #expect(Set(names).count == names.count, "mgpt \(command.name)")
      let synonyms = command.options.flatMap(\.synonyms)
      #expect(Set(synonyms).isDisjoint(with: names), "mgpt \(command.name)")
      #expect(Set(synonyms).count == synonyms.count, "mgpt \(command.name)")
      #expect((names + synonyms).allSatisfy { !$0.contains("_") && $0 == $0.lowercased() })
    }
  }
}
