// The bytes of a text file, packed by gzip or not. gzip is left to the system's zlib, which is
// looked for when such a file is opened: nobody else needs it to be there.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The functions of zlib that read a file.
///
/// `@unchecked Sendable` is sound: addresses of functions, found once, of a library that is never
/// unloaded.
struct Zlib: @unchecked Sendable {
  typealias Open = @convention(c) (UnsafePointer<CChar>, UnsafePointer<CChar>) -> OpaquePointer?
  typealias Read = @convention(c) (OpaquePointer, UnsafeMutableRawPointer, UInt32) -> Int32
  typealias Close = @convention(c) (OpaquePointer) -> Int32
  typealias Fault =
    @convention(c) (OpaquePointer, UnsafeMutablePointer<Int32>) -> UnsafePointer<CChar>?

  let open: Open
  let read: Read
  let close: Close
  let fault: Fault

  /// That of the system; nil if there is none.
  static let system = Zlib(names: ["libz.so.1", "libz.so", "libz.1.dylib"])

  /// Loads the first library there is; nil if there is none, or if it is something else.
  init?(names: [String]) {
    guard let library = names.lazy.compactMap({ dlopen($0, RTLD_NOW) }).first,
      let open = dlsym(library, "gzopen"), let read = dlsym(library, "gzread"),
      let close = dlsym(library, "gzclose"), let fault = dlsym(library, "gzerror")
    else { return nil }
    self.open = unsafeBitCast(open, to: Open.self)
    self.read = unsafeBitCast(read, to: Read.self)
    self.close = unsafeBitCast(close, to: Close.self)
    self.fault = unsafeBitCast(fault, to: Fault.self)
  }
}

/// A text file being read from its beginning to its end.
final class TextReader {
  private enum Input {
    case plain(Int32)
    case packed(OpaquePointer, Zlib)
  }

  private let path: String
  private let input: Input
  private var offset = 0

  /// Opens a file; one that begins as gzip does is unpacked, whatever its name.
  ///
  /// *Throws* as `readFile` does; `noZlib`.
  init(_ path: String, zlib: Zlib? = Zlib.system) throws(DataError) {
    self.path = path
    let descriptor = try openText(path)
    // Not of a pipe, from which bytes can be read once only.
    var start: (UInt8, UInt8) = (0, 0)
    let count = withUnsafeMutableBytes(of: &start) { pread(descriptor, $0.baseAddress, 2, 0) }
    guard count == 2, start == (0x1F, 0x8B) else {
      input = .plain(descriptor)
      return
    }
    Self.close(descriptor)
    guard let zlib else { throw .noZlib(path: path) }
    guard let file = zlib.open(path, "rb") else { throw .unreadable(path: path, code: errno) }
    input = .packed(file, zlib)
  }

  deinit {
    switch input {
    case .plain(let descriptor): Self.close(descriptor)
    case .packed(let file, let zlib): _ = zlib.close(file)
    }
  }

  /// Reads the next bytes; 0 at the end.
  ///
  /// *Throws* `readFailed`, `damagedArchive`.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws(DataError) -> Int {
    var count = 0
    switch input {
    case .plain(let descriptor):
      count = retryingInterrupts { Self.read(descriptor, buffer) }
      if count < 0 { throw .readFailed(path: path, code: errno, offset: offset) }
    case .packed(let file, let zlib):
      guard let base = buffer.baseAddress else { return 0 }
      count = Int(zlib.read(file, base, UInt32(min(buffer.count, 1 << 30))))
      if count <= 0 {
        // At the end of a whole archive zlib has no fault to report.
        var code: Int32 = 0
        let words = zlib.fault(file, &code)
        if count < 0 || code < 0 {
          let fault = code == -5 ? "it ends too early" : words.map { String(cString: $0) } ?? ""
          throw .damagedArchive(path: path, fault: fault, offset: offset)
        }
      }
    }
    offset += count
    return count
  }

  // Under names that the methods of this type don't hide.
  private static func close(_ descriptor: Int32) {
    #if canImport(Glibc)
      Glibc.close(descriptor)
    #elseif canImport(Musl)
      Musl.close(descriptor)
    #else
      Darwin.close(descriptor)
    #endif
  }

  private static func read(_ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer) -> Int {
    #if canImport(Glibc)
      Glibc.read(descriptor, buffer.baseAddress, buffer.count)
    #elseif canImport(Musl)
      Musl.read(descriptor, buffer.baseAddress, buffer.count)
    #else
      Darwin.read(descriptor, buffer.baseAddress, buffer.count)
    #endif
  }
}
