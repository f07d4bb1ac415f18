// What keeps a command from starting, beyond what its files and its sizes say themselves.

import MicroGPT

/// Why a run can't be set up.
enum SetupError: UserFacingError, Equatable {
  case folderInUse(folder: String, file: String)
  case missing(flag: String, why: String)
  case otherModel(option: String, found: String, expected: String, path: String)
  case onlyForMuon(option: String, optimizer: String, resumes: Bool)
  case finished(step: Int, steps: Int, path: String)
  case noSuchRun(path: String)
  case noSuchModel(path: String)
  case notAFolder(folder: String, file: String)
  case outputExists(path: String)
  case sameFile(path: String)
  case noTemperature
  case notText(path: String, byte: UInt8, offset: Int)
  case decodedOneByOne
  case sweptThreshold
  case sweptCache
  case sizeOfModel(option: String, path: String)
  case twoTokenizers(found: String)
  case decidedByTokens(option: String, path: String)
  case crossedLines(path: String)
  case foreignOption(option: String, action: String)
  case notIDs(path: String, found: String, offset: Int)
  case otherFormat(found: String, expected: String, path: String)

  var exitCode: ExitCode {
    switch self {
    case .folderInUse, .notAFolder, .outputExists: .cantCreate
    case .missing, .sameFile, .onlyForMuon, .sizeOfModel, .decodedOneByOne, .twoTokenizers,
      .decidedByTokens, .crossedLines, .foreignOption, .sweptThreshold, .sweptCache:
      .usage
    case .otherModel, .finished: .config
    case .noSuchRun, .noSuchModel: .noInput
    case .notText, .otherFormat, .notIDs: .data
    case .noTemperature: .unavailable
    }
  }

  var description: String {
    switch self {
    case .folderInUse(let folder, let file):
      "\(folder) already holds a run. Found \(file). Use --resume \(folder) to go on, another "
        + "--out, or --force to replace it."
    case .notAFolder(let folder, let file):
      "the run folder \(folder) can't be made. Found a file at \(file), expected a folder or "
        + "nothing. Use another --out."
    case .missing(let flag, let why):
      "\(flag) is missing: \(why)."
    case .otherModel(let option, let found, let expected, let path):
      "\(option) differs from the run in \(path). Found \(found), expected \(expected). Leave "
        + "\(option) out to resume, or start a new run without --resume."
    case .onlyForMuon(let option, let optimizer, let resumes):
      "\(option) belongs to Muon. Found the optimizer \(optimizer), expected muon. Leave \(option) "
        + "out\(resumes ? "" : ", or use --optimizer muon")."
    case .finished(let step, let steps, let path):
      "the run in \(path) is complete. Found \(step) of \(steps) steps. Use a larger --steps to "
        + "go on."
    case .noSuchRun(let path):
      "nothing to resume in \(path). Found no last.safetensors there. Give a checkpoint file or the "
        + "folder of a run."
    case .noSuchModel(let path):
      "no model in \(path). Found neither best.safetensors nor last.safetensors there. Give a "
        + "checkpoint file or the folder of a run."
    case .outputExists(let path):
      "\(path) exists already. Use another --out, or --force to replace it."
    case .sameFile(let path):
      "--out names the model itself. Found \(path) twice, expected another file."
    case .noTemperature:
      "--max-temp needs a temperature sensor. Found none that answers below /sys/class/thermal, "
        + "expected thermal_zone0/temp or another zone's. Leave --max-temp out."
    case .decodedOneByOne:
      "--kv-cache decodes one token of one sequence at a time. Found also --batch-size, expected one "
        + "of the two. Leave one of them out."
    case .sweptThreshold:
      "--exit-sweep tries all thresholds. Found also --exit-threshold, expected one of the two. "
        + "Leave one of them out."
    case .sweptCache:
      "--exit-sweep takes whole texts in at once. Found also --kv-cache, expected one of the two. "
        + "Leave one of them out."
    case .sizeOfModel(let option, let path):
      "\(option) describes random weights. Found also --model \(path), expected one of the two. Leave "
        + "\(option) out to measure that model."
    case .twoTokenizers(let found):
      "--bpe learns byte pairs. Found also --tokenizer \(found), expected bpe. Leave one of them out."
    case .decidedByTokens(let option, let path):
      "\(option) is decided already. Found tokens in \(path), expected a text. Leave \(option) out, or "
        + "prepare the text with it."
    case .crossedLines(let path):
      "--cross-documents needs documents in the order of the text. Found lines in \(path), which are "
        + "split by a shuffle. Use --layout stream, or leave it out."
    case .foreignOption(let option, let action):
      "\(option) has no meaning for `mgpt tokenizer \(action)`. Leave it out."
    case .notIDs(let path, let found, let offset):
      "\(path) is no list of token ids. Found \(found) at byte \(offset), expected whole numbers of "
        + "the vocabulary with blanks or commas between them. Give the output of `tokenizer encode`."
    case .otherFormat(let found, let expected, let path):
      "\(path) can't be measured in other formats. Found --format \(found), expected \(expected), "
        + "which it is quantised in. Use the float32 checkpoint that it was made from."
    case .notText(let path, let byte, let offset):
      "\(path) is not valid UTF-8: byte 0x\(String(byte, radix: 16, uppercase: true)) at offset "
        + "\(offset). A model of characters can't read it; convert the file."
    }
  }
}
