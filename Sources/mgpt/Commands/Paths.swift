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

/// Makes `path` and the folders above it.
func makeFolder(_ path: String) throws(FileError) {
  if path.isEmpty || isFolder(path) { return }
  try makeFolder(parentFolder(of: path))
  if mkdir(path, 0o777) != 0 && errno != EEXIST {
    throw .notCreatable(path: path, code: errno)
  }
  if !isFolder(path) { throw .notCreatable(path: path, code: ENOTDIR) }
}
