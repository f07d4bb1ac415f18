// The kernel checks as Swift tests: every check on every back end of this CPU, and every planted
// fault. The checks themselves, with their references and bounds, are in Tests/CKernelChecks; the
// choice of a back end is tested in DispatchTests.swift.
import CKernelChecks
import CKernels
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

private let isEmulated = getenv("MGPT_EMULATED") != nil

/// The same kernels and edge shapes in both; an emulator gets fewer and smaller cases.
private let scale = isEmulated ? MG_CHECK_QUICK : MG_CHECK_NORMAL

/// Names of all checks: one per kernel of mg_kernels.def, then operations, then the pool.
private let checkNames: [String] = (0..<mg_check_count()).map { String(cString: mg_check_name($0)) }

/// The back ends that this CPU can run; on an emulated one that which it chooses, for
/// tools/test-kernels-arm.sh runs the same checks on all of them.
private let backEnds: [String] = {
  if isEmulated, let best = mg_kernels_default() {
    return [String(cString: mg_isa_name(best.pointee.isa))]
  }
  return (0..<Int(MG_ISA_COUNT.rawValue)).compactMap { number in
    let isa = mg_isa(UInt32(number))
    return mg_isa_supported(isa) ? String(cString: mg_isa_name(isa)) : nil
  }
}()

/// The text of a fixed array of C characters.
private func text<T>(of tuple: T) -> String {
  withUnsafeBytes(of: tuple) { bytes in String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
}

private func report(check: Int, subject: mg_check_subject, scale: mg_check_scale) -> mg_check_report
{
  var subject = subject
  var report = mg_check_report()
  _ = mg_check_run(check, &subject, 1, scale, &report)
  return report
}

@Suite struct KernelTests {
  @Test(arguments: backEnds, checkNames)
  func agreesWithReference(backEnd: String, name: String) throws {
    let check = try #require(checkNames.firstIndex(of: name))
    let kernels = try #require(mg_kernels_for(mg_isa_named(backEnd)))
    let found = report(
      check: check, subject: mg_check_subject_for(kernels), scale: scale)
    #expect(found.cases > 0)
    #expect(found.failures == 0, "\(text(of: found.text))")
  }

  @Test(.enabled(if: !isEmulated, "the checks are tested, and are the same"), arguments: checkNames)
  func reportsPlantedFaults(name: String) throws {
    let check = try #require(checkNames.firstIndex(of: name))
    var subject = mg_check_subject()
    var planted = 0
    while let fault = mg_check_plant(check, planted, &subject) {
      let found = report(check: check, subject: subject, scale: MG_CHECK_QUICK)
      #expect(found.failures > 0, "not reported: \(String(cString: fault))")
      #expect(text(of: found.text).contains("--kernel \(name) --seed 1 --quick"))
      planted += 1
    }
    #expect(planted > 0, "no fault is known for this check")
  }

  @Test func aFailureNamesEverythingThatReplaysIt() throws {
    let check = try #require(checkNames.firstIndex(of: "fma_peak_f32"))
    var subject = mg_check_subject()
    _ = mg_check_plant(check, 0, &subject)
    let found = report(check: check, subject: subject, scale: MG_CHECK_QUICK)
    let line = text(of: found.text).prefix { $0 != "\n" }
    #expect(
      line == """
        fma_peak_f32 on scalar, seed 1, rounds 0: result[0] is 560.559998, expected 560, error \
        0.56 beyond the bound 0.0024. Replay: kernel-checks --isa scalar --kernel \
        fma_peak_f32 --seed 1 --quick
        """)
  }

  @Test func inputDependsOnTheSeedOnly() throws {
    let check = try #require(checkNames.firstIndex(of: "gemv_f32"))
    let kernels = try #require(mg_kernels_for(MG_ISA_SCALAR))
    let subject = mg_check_subject_for(kernels)
    let first = report(check: check, subject: subject, scale: MG_CHECK_QUICK)
    let second = report(check: check, subject: subject, scale: MG_CHECK_QUICK)
    #expect(first.worst == second.worst)
    #expect(text(of: first.where) == text(of: second.where))
  }
}
