// Help texts: two snapshots, and what must hold for every command.

import Testing

@testable import mgpt

@Suite struct ArgumentsHelpTests {
  @Test(arguments: ["--help", "-h", "help", "--help train"])
  func overview(line: String) throws {
    let expected = """
      mgpt trains and runs small GPT models on the CPU.

      Usage: mgpt [COMMAND] [OPTIONS]

      Commands:
        demo                    Train on given names and invent new ones
        train                   Train a model on a text file
        generate                Write text with a trained model
        chat                    Talk with a trained model
        eval                    Measure the loss of a model on a whole text
        inspect                 Show what a checkpoint contains
        quantize                Make a model small and fast: weights in 8 or 4 bits
        dequantize              Write a quantised model with weights in float32
        tokenizer               Train, use and convert byte-pair tokenizers
        data                    Turn text into files of tokens, once for many runs
        presets                 List the named sizes: weights, memory, predicted speed
        bench                   Measure speed against the peak of this machine
        completions             Print a completion script for bash, zsh or fish
        help                    Explain a command

      Options:
        -h, --help              Show this help
        --version               Print the version

      Without a command, mgpt runs the demo. mgpt COMMAND --help explains a command,
      its options and their defaults.

      """
    #expect(try parse(line) == .help(expected))
  }

  @Test(arguments: [
    "eval --help", "eval -h", "help eval", "eval --frobnicate --help", "eval --data --help",
  ])
  func evalHelp(line: String) throws {
    let expected = """
      mgpt eval: Measure the loss of a model on a whole text

      Usage: mgpt eval --model FILE --data PATH [OPTIONS]

      Options:
        --model FILE            Checkpoint of the model, a .safetensors file
                                (required)
        --data PATH             UTF-8 text, measured from its first byte to its last;
                                or tokens, of which the validation part is (required)
        --batch-size N          Sequences per forward pass [default: as in training]
        --kv-cache FORMAT       Decode token by token, from keys and values in this
                                format: f32, f16 or int8 [default: no cache]
        --threads N             Worker threads. The results are the same for any
                                number [default: one per fast core]
        --json                  Print loss, perplexity, bits_per_byte and tokens as
                                JSON

      Recursive models:
        --exit-threshold X      Tokens leave early: the smaller, the earlier by gate,
                                the later by entropy or kl [default: the model's]
        --exit-by MEASURE       What is held against the threshold: the gates'
                                probability, the entropy of the prediction (1 =
                                guessing), or what the last pass changed in it (kl, in
                                nats): gate, entropy or kl [default: gate]
        --exit-fill KIND        Keys and values that later passes find of a token that
                                left: projected from its state (copy), or those of the
                                pass it left in (share): copy or share [default: copy]
        --min-recursion-steps N
                                Passes before a token may leave [default: the model's]
        --recursion-steps N     Passes at most [default: as many as were trained]
        --exit-sweep            Measure the loss against the passes for a range of
                                thresholds, and draw it
        --chart FILE            Where the sweep is drawn [default: exits.svg beside
                                the model]
        -h, --help              Show this help

      Older spellings, also with _ for -:
        --checkpoint            --model
        --load-checkpoint       --model

      Example:
        mgpt eval --model runs/names/best.safetensors --data other.txt --json

      """
    #expect(try parse(line) == .help(expected))
  }

  @Test func helpOfAnOlderMode() throws {
    #expect(try parse("--train --help") == parse("help train"))
    #expect(try parse("--max_new_tokens 3 --generate -h") == parse("help generate"))
  }

  @Test func helpIsNotTakenFromBehindTheEndOfOptions() throws {
    #expect(try parse("inspect -- --help") == .inspect(InspectOptions(model: "--help")))
  }

  @Test(arguments: CommandDescription.all.map(\.name))
  func everyOptionIsExplained(name: String) throws {
    let command = try #require(CommandDescription.all.first { $0.name == name })
    let text = oneLine(help(for: command))
    for option in command.options + [command.positional].compactMap({ $0 }) {
      #expect(text.contains("\(option.usage) "), "\(option.label)")
      #expect(text.contains(option.help), "\(option.label)")
      if let defaultText = option.defaultText {
        #expect(text.contains("[default: \(defaultText)]"), "\(option.label)")
      }
      if case .words(let words) = option.completion {
        #expect(words.allSatisfy { text.contains($0) }, "\(option.label)")
      }
      for alias in option.aliases { #expect(text.contains("--\(alias) \(option.label)")) }
    }
  }

  @Test(arguments: CommandDescription.all.map(\.name))
  func linesFit(name: String) throws {
    let command = try #require(CommandDescription.all.first { $0.name == name })
    for line in help(for: command).split(separator: "\n") {
      #expect(line.count <= 80, "\(line)")
      #expect(line.last != " ", "\(line)")
    }
  }

  /// The examples must work; those of `completions` are for a shell to read.
  @Test func examplesParse() throws {
    for command in CommandDescription.all where command.name != "completions" {
      for example in command.examples {
        let words = example.split(separator: " ").map(String.init)
        #expect(words.first == "mgpt")
        #expect(throws: Never.self, "\(example)") {
          try parseCommandLine(Array(words.dropFirst()))
        }
      }
    }
  }

  private func oneLine(_ text: String) -> String {
    text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
  }
}
