// The small files of the kernel below /sys and /proc, read at a root that may be another folder
// than "/": tests bring a machine of their own. What is in the files is understood elsewhere.

import CKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The files in which a kernel describes its machine.
public struct SystemTree: Sendable, Equatable {
  /// The folder that stands for "/", without a slash at its end; empty for the machine's own files.
  public let root: String

  /// The tree below `root`.
  public init(root: String = "") {
    self.root = root.hasSuffix("/") ? String(root.dropLast()) : root
  }

  /// This machine's own, or that of the environment's `MGPT_SYSTEM_ROOT`, for trying things out.
  public static var current: SystemTree {
    SystemTree(root: getenv("MGPT_SYSTEM_ROOT").map { String(cString: $0) } ?? "")
  }

  /// Whether it describes the machine that the program runs on.
  public var isOwn: Bool { root.isEmpty }

  /// Where the file is that the kernel has at `path`.
  func path(_ path: String) -> String { root + path }

  /// The file's first line without blanks around it; nil if there is none, or nothing in it.
  func line(_ path: String) -> String? {
    guard let text = text(path) else { return nil }
    let line = text.prefix { $0 != "\n" && $0 != "\r\n" && $0 != "\0" }
    let words = line.split { $0 == " " || $0 == "\t" }.joined(separator: " ")
    return words.isEmpty ? nil : words
  }

  /// The whole number that the file consists of.
  func integer(_ path: String) -> Int? { line(path).flatMap { Int($0) } }

  /// The first 64 KiB of the file; nil if it can't be read.
  func text(_ path: String) -> String? {
    let descriptor = open(root + path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    return withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 1) { buffer in
      var length = 0
      while length < buffer.count, let start = buffer.baseAddress {
        let count = read(descriptor, start + length, buffer.count - length)
        if count < 0 { return nil }
        if count == 0 { break }
        length += count
      }
      return String(decoding: buffer[..<length], as: UTF8.self)
    }
  }

  /// The names in `folder` that are `prefix` and a number, in the order of the numbers.
  func numbered(_ prefix: String, in folder: String) -> [String] {
    guard let stream = opendir(root + folder) else { return [] }
    defer { closedir(stream) }
    var numbers: [Int] = []
    while let entry = readdir(stream) {
      let offset = MemoryLayout<dirent>.offset(of: \.d_name) ?? 0
      let start = (UnsafeRawPointer(entry) + offset).assumingMemoryBound(to: CChar.self)
      let name = String(cString: start)
      if name.hasPrefix(prefix), let number = Int(name.dropFirst(prefix.count)), number >= 0 {
        numbers.append(number)
      }
    }
    return numbers.sorted().map { "\(prefix)\($0)" }
  }

  /// The numbers of a kernel's list, such as "0-3,8"; nil if it is none.
  static func numbers(ofList text: String) -> [Int]? {
    var numbers: [Int] = []
    for part in text.split(separator: ",") {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2,
        0 <= first, first <= last, last < 1 << 16
      else { return nil }
      numbers += first...last
    }
    return numbers.isEmpty ? nil : numbers
  }
}

/// A small file with one number that is read again and again, without allocating.
struct SystemFile: Sendable {
  private let path: ContiguousArray<CChar>

  init(_ path: String, in tree: SystemTree) {
    self.path = ContiguousArray(tree.path(path).utf8CString)
  }

  /// The number that the file consists of; nil if it is none, or the file can't be read.
  ///
  /// Opened anew each time: what is behind a name may change while a run lasts.
  func integer(radix: Int = 10) -> Int? {
    var value: Int64 = 0
    let isNumber = path.withUnsafeBufferPointer { path in
      mg_read_number(path.baseAddress, Int32(radix), &value) == 1
    }
    return isNumber ? Int(value) : nil
  }
}
