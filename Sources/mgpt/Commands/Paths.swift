// The little that commands need to know of paths and folders.

import MicroGPT

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Whether something is at `path`.
func fileExists(_ path: String) -> Bool { access(path, F_OK) == 0 }

/// Whether a folder is at `path`.
func isFolder(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}

/// The size of the file at `path`; nil if there is none.
func fileByteCount(_ path: String) -> Int? {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG ? Int(status.st_size) : nil
}

/// Whether two paths lead to one folder that exists.
func isSameFolder(_ first: String, _ second: String) -> Bool {
  var (one, other) = (stat(), stat())
  return stat(first, &one) == 0 && stat(second, &other) == 0 && one.st_ino == other.st_ino
    && one.st_dev == other.st_dev
}

/// The folder for temporary files.
func temporaryFolder() -> String { getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp" }

/// The folder of `path`: everything before the last slash, or ".".
func parentFolder(of path: String) -> String {
  guard let slash = path.lastIndex(of: "/") else { return "." }
  return slash == path.startIndex ? "/" : String(path[..<slash])
}

/// The file name of `path` without folder and extension.
func stem(of path: String) -> String {
  let name = path.split(separator: "/").last.map(String.init) ?? path
  guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return name }
  return String(name[..<dot])
}

/// The part of `path`, itself or a folder above it, that is in the way of a folder: a file.
func fileInPlaceOfFolder(_ path: String) -> String? {
  var path = path
  while path != "." && path != "/" && !path.isEmpty {
    if fileExists(path) { return isFolder(path) ? nil : path }
    path = parentFolder(of: path)
  }
  return nil
}

/// Makes `path` and the folders above it.
func makeFolder(_ path: String) throws(FileError) {
  if path.isEmpty || isFolder(path) { return }
  try makeFolder(parentFolder(of: path))
  if mkdir(path, 0o777) != 0 && errno != EEXIST {
    throw .notCreatable(path: path, code: errno)
  }
  if !isFolder(path) { throw .notCreatable(path: path, code: EEXIST) }
}

/// Makes `folder` and makes sure that `file` can be made in it.
func makeWritableFolder(_ folder: String, for file: String) throws(FileError) {
  try makeFolder(folder)
  if access(folder, W_OK | X_OK) != 0 { throw .notCreatable(path: file, code: errno) }
}

/// Names and sizes of the files in `folder`, in no order; empty if it can't be read.
func filesOfFolder(_ folder: String) -> [(name: String, byteCount: Int)] {
  guard let stream = opendir(folder) else { return [] }
  defer { closedir(stream) }
  var files: [(name: String, byteCount: Int)] = []
  while let entry = readdir(stream) {
    let offset = MemoryLayout<dirent>.offset(of: \.d_name) ?? 0
    let start = (UnsafeRawPointer(entry) + offset).assumingMemoryBound(to: CChar.self)
    let name = String(cString: start)
    var status = stat()
    if stat(folder + "/" + name, &status) == 0 && status.st_mode & S_IFMT == S_IFREG {
      files.append((name, Int(status.st_size)))
    }
  }
  return files
}

/// A word of a command that is printed to be used: in quotes where a shell wants them, never cut.
func shellWord(_ word: String) -> String {
  let isPlain = word.utf8.allSatisfy { byte in
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "-")...UInt8(ascii: "9"), UInt8(ascii: "_"):
      true
    default: false
    }
  }
  if isPlain && !word.isEmpty { return word }
  return "'"
    + printableText(word).split(separator: "'", omittingEmptySubsequences: false)
    .joined(separator: #"'\''"#) + "'"
}
