// What is in a folder, in an order that does not depend on the disk.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The names in a folder, without hidden ones, sorted by their bytes.
///
/// *Throws* `missing`, `unreadable`; a file in place of the folder is `unreadable`.
func namesInFolder(_ path: String) throws(DataError) -> [String] {
  guard let stream = opendir(path) else {
    throw errno == ENOENT ? .missing(path: path) : .unreadable(path: path, code: errno)
  }
  defer { closedir(stream) }
  guard let nameOffset = MemoryLayout<dirent>.offset(of: \.d_name) else { return [] }
  var names: [String] = []
  while let entry = readdir(stream) {
    // By address: the record is shorter than the `dirent` that its type promises.
    let name = String(
      cString: (UnsafeRawPointer(entry) + nameOffset).assumingMemoryBound(to: CChar.self))
    if !name.hasPrefix(".") { names.append(name) }
  }
  return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
}

/// What kind of thing is at `path`.
enum PathKind {
  case file, folder, other

  init?(_ path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    switch status.st_mode & S_IFMT {
    case S_IFREG: self = .file
    case S_IFDIR: self = .folder
    default: self = .other
    }
  }
}
