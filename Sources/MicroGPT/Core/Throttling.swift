// What a Raspberry Pi's firmware says of its power supply and its heat: the bits of `vcgencmd
// get_throttled`. Reading them is in MachineSensors.swift and FirmwareCommand.swift.

/// Why the firmware slows the processor down, at this moment and since the machine started.
///
/// *Source*: "vcgencmd, get_throttled" in Raspberry Pi's documentation of its operating system.
public struct Throttling: OptionSet, Sendable, Hashable {
  /// The bits, as the firmware has them.
  public let rawValue: UInt32
  /// The conditions of these bits.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The supply's voltage is below 4.63 V.
  public static let underVoltage = Throttling(rawValue: 1 << 0)
  /// The clock is held below its maximum.
  public static let frequencyCapped = Throttling(rawValue: 1 << 1)
  /// The clock is lowered.
  public static let throttled = Throttling(rawValue: 1 << 2)
  /// The first of two limits of the temperature is reached.
  public static let softTemperatureLimit = Throttling(rawValue: 1 << 3)

  /// The same four conditions, as they have occurred since the machine started.
  public var sinceBoot: Throttling { Throttling(rawValue: rawValue >> 16 & 0xF) }
  /// The conditions of this moment.
  public var now: Throttling { Throttling(rawValue: rawValue & 0xF) }

  /// The conditions of this moment in words, the gravest first; empty if there are none.
  public var words: [String] {
    let all: [(Throttling, String)] = [
      (.underVoltage, "under-voltage"), (.throttled, "throttled"),
      (.frequencyCapped, "clock capped"), (.softTemperatureLimit, "soft temperature limit"),
    ]
    return all.filter { contains($0.0) }.map(\.1)
  }

  /// Reads "throttled=0x50005", which the command prints; nil if it is anything else.
  init?(commandOutput: some Collection<UInt8>) {
    let prefix = "throttled=0x"
    let text = String(decoding: commandOutput, as: UTF8.self)
    let line = text.hasSuffix("\n") ? text.dropLast() : text[...]
    guard line.hasPrefix(prefix), let bits = UInt32(line.dropFirst(prefix.count), radix: 16) else {
      return nil
    }
    self.init(rawValue: bits)
  }
}
