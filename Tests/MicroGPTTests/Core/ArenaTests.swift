// Blocks of memory: zeroed, aligned, and of large ones no more in memory than has been touched.
import Testing

@testable import MicroGPT

@Suite struct ArenaTests {
  @Test(arguments: [0, 1, 63, 64, 4095, 1 << 20, (4 << 20) - 64, 4 << 20, (4 << 20) + 1])
  func zeroedAndAligned(_ byteCount: Int) throws {
    for fillsSlowly in [false, true] {
      let arena = try Arena(byteCount: byteCount, fillsSlowly: fillsSlowly)
      #expect(arena.byteCount == byteCount)
      #expect(UInt(bitPattern: arena.base) % UInt(Arena.alignment) == 0)
      #expect(arena.bytes.allSatisfy { $0 == 0 })
      arena.base.initializeMemory(as: UInt8.self, repeating: 0xFF, count: byteCount)
    }
  }

  /// What was never written to takes no memory, nor does what was given back.
  @Test func takesWhatIsTouched() throws {
    SystemInfo.resetOwnPeakResident()
    let before = SystemInfo.ownPeakResidentByteCount
    for _ in 0..<64 {
      let arena = try Arena(byteCount: 256 << 20, fillsSlowly: true)
      arena.base.initializeMemory(as: UInt8.self, repeating: 1, count: 8 << 20)
    }
    #expect(SystemInfo.ownPeakResidentByteCount - before < 128 << 20)
  }

  @Test func refusesWhatNoSystemHas() {
    #expect(throws: MemoryError.exhausted(byteCount: 1 << 60)) {
      try Arena(byteCount: 1 << 60)
    }
  }
}
