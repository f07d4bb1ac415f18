// The messages about training data, word for word, and their exit codes.
import Testing

@testable import MicroGPT

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct DataErrorTests {
  @Test(
    arguments: [
      (
        .missing(path: "a.txt"), .noInput,
        "a.txt does not exist. Check the name, or give another file."
      ),
      (
        .directory(path: "data"), .noInput,
        "data is a directory. Expected a text file. Name a file inside it."
      ),
      (
        .unreadable(path: "a.txt", code: EACCES), .noInput,
        "a.txt can't be read: Permission denied. Check its permissions."
      ),
      (
        .readFailed(path: "a.txt", code: EIO, offset: 4096), .ioError,
        "Reading a.txt failed after 4096 bytes: Input/output error. Check the disk, "
          + "then try again."
      ),
      (
        .empty(path: "a.txt"), .data,
        "a.txt is empty. Found 0 bytes, expected text. Give another file."
      ),
      (
        .invalidUTF8(path: "a.txt", byte: 0xFF, offset: 3), .data,
        "a.txt is not valid UTF-8: byte 0xFF at offset 3. Use --tokenizer byte, or convert the "
          + "file."
      ),
      (
        .shorterThanContext(
          path: "a.txt", split: .validation, tokenCount: 50, contextLength: 64, largestContext: 49),
        .data,
        "a.txt is too short for a context of 64. Found 50 tokens in the validation split, expected "
          + "at least 65. Use --context 49 or less, or a longer text."
      ),
      (
        .shorterThanContext(
          path: "a.txt", split: .training, tokenCount: 1, contextLength: 8, largestContext: 0),
        .data,
        "a.txt is too short for a context of 8. Found 1 token in the training split, expected at "
          + "least 9. Use a longer text."
      ),
      (
        .nothingToPredict(path: "a.txt", tokenCount: 1), .data,
        "a.txt is too short. Found 1 token, expected at least 2. Use a longer text."
      ),
      (
        .tooFewDocuments(path: "a.txt", found: 1, expected: 2), .data,
        "a.txt has too few documents. Found 1 document with text in it, expected at least 2. Add "
          + "some, give another file, or use another --layout."
      ),
      (
        .otherData(
          what: "the number of training tokens differs", found: "900", expected: "1000"), .data,
        "The data are not those of the saved run: the number of training tokens differs. Found 900, "
          + "expected 1000. Resume with the data and the tokenizer of that run."
      ),
      (
        .damagedPosition(field: "epoch", found: "-1", expected: "0 or more"), .data,
        "The checkpoint's data position is damaged at \"epoch\". Found -1, expected 0 or more. Use "
          + "another checkpoint."
      ),
    ] as [(DataError, ExitCode, String)])
  func messages(_ error: DataError, _ exitCode: ExitCode, _ message: String) {
    #expect(error.description == message)
    #expect(error.exitCode == exitCode)
  }
}
