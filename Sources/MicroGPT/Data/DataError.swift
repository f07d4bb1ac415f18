// What can go wrong with training text, and the words for it. Paths appear as they were given.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Text that can't be read, or that can't be learned from, or that does not fit a saved run.
public enum DataError: UserFacingError, Equatable {
  /// No file has this name.
  case missing(path: String)
  /// A folder was named where a file was expected.
  case directory(path: String)
  /// The file exists but can't be opened; `code` is the `errno` of the attempt.
  case unreadable(path: String, code: Int32)
  /// Reading stopped half-way; `code` is the `errno`, `offset` the number of bytes read before.
  case readFailed(path: String, code: Int32, offset: Int)
  /// A folder has no files.
  case noTexts(path: String)
  /// A file of a folder holds something else.
  case binary(path: String)
  /// The file is packed by gzip, and the system has no zlib.
  case noZlib(path: String)
  /// The file is packed by gzip and damaged; `offset` counts unpacked bytes.
  case damagedArchive(path: String, fault: String, offset: Int)
  /// A line of JSON lines is no JSON.
  case brokenRecord(path: String, line: Int, column: Int, fault: String)
  /// A line of JSON lines is no record with a text.
  case badRecord(path: String, line: Int, column: Int, found: String, expected: String)
  /// A pipe was named where the text must be read twice.
  case notRepeatable(path: String)
  /// The file has no bytes.
  case empty(path: String)
  /// A character tokenizer met something else; the offset is that of the bad sequence's first byte.
  case invalidUTF8(path: String, byte: UInt8, offset: Int)
  /// The text gives no vocabulary of the wanted size.
  case untrainable(path: String, BytePairTrainingError)
  /// A split is shorter than one context and the token after it.
  case shorterThanContext(
    path: String, split: Split, tokenCount: Int, contextLength: Int, largestContext: Int)
  /// There is nothing to predict in the text.
  case nothingToPredict(path: String, tokenCount: Int)
  /// There are too few non-blank lines for the documents layout.
  case tooFewDocuments(path: String, found: Int, expected: Int)
  /// A saved data position belongs to other data.
  case otherData(what: String, found: String, expected: String)
  /// A saved data position contradicts itself.
  case damagedPosition(field: String, found: String, expected: String)

  /// A part of a corpus.
  public enum Split: String, Sendable {
    case training, validation
  }

  /// The code the process exits with.
  public var exitCode: ExitCode {
    switch self {
    case .missing, .directory, .unreadable, .noTexts, .notRepeatable: .noInput
    case .noZlib: .unavailable
    case .readFailed: .ioError
    case .untrainable(_, let error): error.exitCode
    case .binary, .damagedArchive, .brokenRecord, .badRecord, .empty, .invalidUTF8,
      .shorterThanContext, .nothingToPredict, .tooFewDocuments, .otherData, .damagedPosition:
      .data
    }
  }

  /// One line: what is wrong, what was expected, what to do.
  public var description: String {
    switch self {
    case .missing(let path):
      "\(path) does not exist. Check the name, or give another file."
    case .directory(let path):
      "\(path) is a directory. Expected a text file. Name a file inside it."
    case .unreadable(let path, let code):
      "\(path) can't be read: \(String(cString: strerror(code))). Check its permissions."
    case .readFailed(let path, let code, let offset):
      "Reading \(path) failed after \(offset) bytes: \(String(cString: strerror(code))). "
        + "Check the disk, then try again."
    case .noTexts(let path):
      "\(path) has no files. Expected a folder of texts. Name another folder, or a file."
    case .binary(let path):
      "\(path) is no text. Found a byte 0x00, expected text in every file of the folder. Move it "
        + "elsewhere."
    case .noZlib(let path):
      "\(path) is packed by gzip, and this system has no zlib. Expected libz.so.1. Install zlib1g, or "
        + "unpack it with gunzip."
    case .damagedArchive(let path, let fault, let offset):
      "\(path) is a damaged gzip archive: \(fault), after \(offset) unpacked bytes. Fetch it again."
    case .brokenRecord(let path, let line, let column, let fault):
      "\(path):\(line):\(column): invalid JSON. \(fault). Correct the line, or remove it."
    case .badRecord(let path, let line, let column, let found, let expected):
      "\(path):\(line):\(column): no record. Found \(found), expected \(expected). Correct the line, "
        + "or remove it."
    case .notRepeatable(let path):
      "\(path) can't be read twice. Found a pipe or a device, expected a file or a folder. Put the "
        + "text into a file."
    case .empty(let path):
      "\(path) is empty. Found 0 bytes, expected text. Give another file."
    case .invalidUTF8(let path, let byte, let offset):
      "\(path) is not valid UTF-8: byte \(hexadecimal(byte)) at offset \(offset). "
        + "Use --tokenizer byte, or convert the file."
    case .untrainable(let path, let error):
      "\(path) can't be tokenized as wanted: \(error.description)"
    case .shorterThanContext(let path, let split, let found, let context, let largest):
      "\(path) is too short for a context of \(context). Found \(count(found, "token")) in the "
        + "\(split.rawValue) split, expected at least \(context + 1). Use "
        + (largest > 0 ? "--context \(largest) or less, or a longer text." : "a longer text.")
    case .nothingToPredict(let path, let found):
      "\(path) is too short. Found \(count(found, "token")), expected at least 2. "
        + "Use a longer text."
    case .tooFewDocuments(let path, let found, let expected):
      "\(path) has too few documents. Found \(count(found, "document")) with text in it, expected at "
        + "least \(expected). Add some, give another file, or use another --layout."
    case .otherData(let what, let found, let expected):
      "The data are not those of the saved run: \(what). Found \(found), expected \(expected). "
        + "Resume with the data and the tokenizer of that run."
    case .damagedPosition(let field, let found, let expected):
      "The checkpoint's data position is damaged at \"\(field)\". Found \(found), "
        + "expected \(expected). Use another checkpoint."
    }
  }
}

private func count(_ n: Int, _ noun: String) -> String { n == 1 ? "1 \(noun)" : "\(n) \(noun)s" }
