// Blocks of memory: zeroed, aligned, and of large ones no more in memory than has been touched.
import Testing

@testable import MicroGPT

@Suite struct ArenaTests {
  @Test(arguments: [0, 1, 63, 64, 4095, 4 << 20, (4 << 20) + 1])
  func zeroedAndAligned(_ byteCount: Int) throws {
    for fillsSlowly in [false, true] {
      let arena = try Arena(byteCount: byteCount, fillsSlowly: fillsSlowly)
      #expect(arena.byteCount == byteCount)
      #expect(UInt(bitPattern: arena.base) % UInt(Arena.alignment) == 0)
      #expect(arena.bytes.allSatisfy { $0 == 0 })
      if byteCount > 0 {
        arena.base.storeBytes(of: 1, toByteOffset: byteCount - 1, as: UInt8.self)
      }
    }
  }

  /// What was never written to takes no memory, nor does what was given back: 6 GB, beside the few
  /// hundred MB of other tests.
  @Test func takesWhatIsTouched() throws {
    SystemInfo.resetOwnPeakResident()
    let before = SystemInfo.ownPeakResidentByteCount
    let untouched = try (0..<4).map { _ in try Arena(byteCount: 1 << 30, fillsSlowly: true) }
    for _ in 0..<64 {
      let arena = try Arena(byteCount: 256 << 20)
      for page in stride(from: 0, to: 32 << 20, by: 4096) {
        arena.base.storeBytes(of: 1, toByteOffset: page, as: UInt8.self)
      }
    }
    #expect(SystemInfo.ownPeakResidentByteCount - before < 1 << 30)
    withExtendedLifetime(untouched) {}
  }

  @Test func refusesWhatNoSystemHas() {
    #expect(throws: MemoryError.exhausted(byteCount: 1 << 60)) {
      try Arena(byteCount: 1 << 60)
    }
  }
}
