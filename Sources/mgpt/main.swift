// Picks the subcommand and maps errors to one line on standard error and an exit code.

import MicroGPT

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The version that `--version` prints and that files name.
let version = "0.1.0"

/// Runs the invocation; returns the code to exit with.
func run(_ invocation: Invocation) throws -> Int32 {
  switch invocation {
  case .demo(let options): return try runDemo(options)
  case .train(let options): return try runTrain(options)
  case .generate(let options): return try runGenerate(options)
  case .chat(let options): return try runChat(options)
  case .eval(let options): return try runEval(options)
  case .inspect(let options): return try runInspect(options)
  case .quantize(let options): return try runQuantize(options)
  case .dequantize(let options): return try runDequantize(options)
  case .tokenizer(let options): return try runTokenizer(options)
  case .data(let options): return try runData(options)
  case .presets(let options): return try runPresets(options)
  case .bench(let options): return try runBench(options)
  case .help(let text), .completions(let text):
    Terminal.output.write(text)
  case .version:
    Terminal.output.write("mgpt \(version) (commit \(MachineReport.commit))\n")
  }
  return 0
}

do {
  exit(try run(parseCommandLine(Array(CommandLine.arguments.dropFirst()))))
} catch let error as CommandLineError {
  Terminal.error.write("\(error)\n")
  exit(error.exitCode.rawValue)
} catch let error as any UserFacingError {
  Terminal.error.write("mgpt: \(error)\n")
  exit(error.exitCode.rawValue)
} catch {
  Terminal.error.write(
    "mgpt: this is a bug: \(error). Please report it with the command you ran.\n")
  exit(ExitCode.software.rawValue)
}
