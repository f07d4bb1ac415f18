// Names, detection and choice of back ends. The choice is made once per process, so MGPT_ISA is
// tested from outside: tools/test-kernels.sh and tools/test-kernels-arm.sh force each back end and
// verify that it is the one that runs.
import CKernels
import Testing

private let all = (0..<Int(MG_ISA_COUNT.rawValue)).map { mg_isa(UInt32($0)) }

@Suite struct DispatchTests {
  @Test func namesAndNumbersAreInverse() {
    #expect(
      all.map { String(cString: mg_isa_name($0)) }
        == ["scalar", "neon", "neon_dotprod", "avx2", "avx512", "avx512_bf16"])
    for isa in all { #expect(mg_isa_named(mg_isa_name(isa)) == isa) }
    #expect(mg_isa_name(MG_ISA_COUNT) == nil)
  }

  @Test(arguments: ["", "AVX2", "avx", "avx512f", "scalar "])
  func unknownNames(name: String) {
    #expect(mg_isa_named(name) == MG_ISA_COUNT)
  }

  @Test func scalarIsAlwaysThere() {
    #expect(mg_isa_compiled(MG_ISA_SCALAR))
    #expect(mg_isa_supported(MG_ISA_SCALAR))
  }

  @Test func oneArchitectureIsCompiledIn() {
    #if arch(arm64)
      let here = [MG_ISA_NEON, MG_ISA_NEON_DOTPROD]
      let elsewhere = [MG_ISA_AVX2, MG_ISA_AVX512, MG_ISA_AVX512_BF16]
      #expect(mg_isa_supported(MG_ISA_NEON))
    #else
      let here = [MG_ISA_AVX2, MG_ISA_AVX512, MG_ISA_AVX512_BF16]
      let elsewhere = [MG_ISA_NEON, MG_ISA_NEON_DOTPROD]
    #endif
    for isa in here { #expect(mg_isa_compiled(isa)) }
    for isa in elsewhere {
      #expect(!mg_isa_compiled(isa))
      #expect(!mg_isa_supported(isa))
      #expect(mg_kernels_for(isa) == nil)
    }
  }

  @Test func tablesDescribeThemselves() throws {
    for isa in all where mg_isa_supported(isa) {
      let table = try #require(mg_kernels_for(isa)).pointee
      #expect(table.isa == isa)
      #expect([1, 4, 8, 16].contains(table.vector_width))
      #expect(table.nr % table.vector_width == 0)
      #expect(table.mr > 0)
    }
    #expect(mg_kernels_for(MG_ISA_COUNT) == nil)
  }

  @Test func theChoiceHoldsForTheProcess() {
    // Under `MGPT_ISA=name swift test` the choice is the named one or, with a reason, none.
    guard let chosen = mg_kernels_default() else {
      #expect(String(cString: mg_dispatch_error()).hasPrefix("MGPT_ISA"))
      return
    }
    #expect(String(cString: mg_dispatch_error()).isEmpty)
    #expect(mg_isa_supported(chosen.pointee.isa))
    #expect(mg_kernels_default() == chosen)
    #expect(mg_kernels_for(chosen.pointee.isa) == chosen)
  }
}
