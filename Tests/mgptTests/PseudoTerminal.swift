// A pseudo terminal for tests of what is shown on one.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A terminal that nobody looks at.
final class PseudoTerminal {
  /// The device for the program.
  let name: String
  private let descriptor: Int32

  init?() {
    #if canImport(Darwin)
      descriptor = posix_openpt(O_RDWR | O_NOCTTY)
      guard descriptor >= 0, grantpt(descriptor) == 0, unlockpt(descriptor) == 0,
        let device = ptsname(descriptor)
      else { return nil }
      name = String(cString: device)
    #else
      // What unlockpt and ptsname do, which Swift's Glibc doesn't show.
      descriptor = open("/dev/ptmx", O_RDWR | O_NOCTTY)
      var (number, locked): (Int32, Int32) = (0, 0)
      guard descriptor >= 0, ioctl(descriptor, 0x4004_5431, &locked) == 0,
        ioctl(descriptor, 0x8004_5430, &number) == 0
      else { return nil }
      name = "/dev/pts/\(number)"
    #endif
    var size = winsize(ws_row: 30, ws_col: 110, ws_xpixel: 0, ws_ypixel: 0)
    _ = ioctl(descriptor, UInt(TIOCSWINSZ), &size)
  }

  deinit { close(descriptor) }

  /// What a person types.
  func type(_ text: String) {
    let bytes = Array(text.utf8)
    _ = write(descriptor, bytes, bytes.count)
  }

  /// Whether the terminal collects lines and echoes them, as it does for a shell.
  var isCooked: Bool {
    var settings = termios()
    let flags = tcflag_t(ICANON | ECHO | ISIG)
    return tcgetattr(descriptor, &settings) == 0 && settings.c_lflag & flags == flags
  }

  /// Whether keys come at once and Ctrl-C is a signal: an answer is being written.
  var isAnswering: Bool {
    var settings = termios()
    let flags = tcflag_t(ICANON | ISIG)
    return tcgetattr(descriptor, &settings) == 0 && settings.c_lflag & flags == tcflag_t(ISIG)
  }

  /// What was written to it so far.
  var screen: String { String(decoding: bytes, as: UTF8.self) }
  private var bytes: [UInt8] = []

  /// Reads what there is: a writer waits for a reader after 4 KB.
  func drain() {
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      if count <= 0 { return }
      bytes += buffer[..<count]
    }
  }
}
