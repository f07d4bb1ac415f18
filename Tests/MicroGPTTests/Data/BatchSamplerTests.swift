// Training batches: shifted by one, uniform, every document once per epoch, resumed exactly.
import Testing

@testable import MicroGPT

@Suite struct BatchSamplerTests {
  @Test func streamTargetsAreInputsShiftedByOne() throws {
    var sampler = BatchSampler(countingStream(100..<150, of: 200), seed: 1)
    for _ in 0..<50 {
      let batch = sampler.batch(3, 8)
      #expect(batch.targetCount == 24)
      for (inputs, targets) in zip(batch.inputs, batch.targets) {
        #expect(inputs == (0..<8).map { inputs[0] + $0 })
        #expect(targets == inputs.map { $0 + 1 })
        #expect(inputs[0] >= 100 && targets[7] < 150)
      }
    }
  }

  /// 50 tokens hold 42 windows of 8 and the token after it: 0 … 41, each as likely.
  @Test func streamStartsAreUniform() throws {
    var sampler = BatchSampler(countingStream(0..<50, of: 50), seed: 2)
    var counts = [Int](repeating: 0, count: 42)
    for _ in 0..<420 {
      for row in sampler.batch(10, 8).inputs { counts[Int(row[0])] += 1 }
    }
    // An epoch of 5 or 6 windows has one of each eighth start: binomial of 800 epochs, 9.4.
    #expect(counts.allSatisfy { abs($0 - 100) < 30 }, "\(counts)")
    let chiSquared = counts.reduce(0.0) { $0 + Double(($1 - 100) * ($1 - 100)) / 100 }
    #expect(chiSquared < 80, "\(counts)")
  }

  /// Windows are of the length that is asked for, also of another than before.
  @Test func lengthsMayChange() throws {
    var sampler = BatchSampler(countingStream(0..<83, of: 83), seed: 1)
    for length in [8, 70, 3, 82, 8] {
      for _ in 0..<40 {
        let batch = sampler.batch(1, length)
        #expect(batch.targetCount == length)
        #expect(batch.inputs[0] == (0..<length).map { batch.inputs[0][0] + Int32($0) })
      }
    }
  }

  /// 83 tokens: 10 windows of 8 in an epoch whose first one begins at 0, 1 or 2, else 9.
  @Test func everyWindowOncePerEpoch() throws {
    var sampler = BatchSampler(countingStream(0..<83, of: 83), seed: 1)
    var orders: Set<[Int]> = []
    var phases: Set<Int> = []
    var epoch: [Int] = []
    for _ in 0..<400 {
      let number = sampler.epoch
      let start = Int(sampler.batch(1, 8).inputs[0][0])
      if sampler.epoch > number && !epoch.isEmpty {
        let phase = epoch[0] % 8
        #expect(epoch.sorted() == Array(stride(from: phase, through: 74, by: 8)))
        orders.insert(epoch.map { $0 / 8 })
        phases.insert(phase)
        epoch = []
      }
      epoch.append(start)
    }
    #expect(phases == Set(0..<8))
    #expect(orders.count > 38, "the order must change")
  }

  @Test func permutationsAreSomeOfAll() {
    for count in [1, 2, 3, 5, 64, 65, 1000, 4097] {
      for key in [0, 1, UInt64.max] {
        let order = IndexPermutation(count: count, key: key)
        let places = (0..<count).map { order[$0] }
        #expect(places.sorted() == Array(0..<count))
        // Of 1000 things about one stays where it is.
        if count >= 1000 { #expect(zip(places, 0..<count).count { $0 == $1 } < 10) }
      }
    }
    // All 24 orders of four things, about 42 times each.
    var counts: [[Int]: Int] = [:]
    for key in 0..<1000 as Range<UInt64> {
      let order = IndexPermutation(count: 4, key: splitMix64(key))
      counts[(0..<4).map { order[$0] }, default: 0] += 1
    }
    #expect(counts.count == 24 && counts.values.allSatisfy { (15...80).contains($0) }, "\(counts)")
  }

  @Test func aWindowMayBeTheWholeStream() {
    var sampler = BatchSampler(countingStream(0..<9, of: 9), seed: 3)
    #expect(sampler.batch(1, 8).inputs == [[0, 1, 2, 3, 4, 5, 6, 7]])
  }

  @Test func documentsArePadded() throws {
    var sampler = BatchSampler(countingDocuments([4, 7]), seed: 1)
    let batch = sampler.batch(2, 6)
    let rows = zip(batch.inputs, batch.targets).sorted { $0.0[0] < $1.0[0] }
    #expect(rows[0].0 == [0, 1, 2, -1000, -1000, -1000])
    #expect(rows[0].1 == [1, 2, 3, -1, -1, -1])
    #expect(rows[1].0 == [1000, 1001, 1002, 1003, 1004, 1005])
    #expect(rows[1].1 == [1001, 1002, 1003, 1004, 1005, 1006])
    #expect(batch.targetCount == 3 + 6)
  }

  @Test func everyDocumentOncePerEpoch() throws {
    var sampler = BatchSampler(countingDocuments(Array(repeating: 5, count: 14)), seed: 4)
    var epochs: [[Int32]] = []
    for epoch in 0..<4 {
      var seen: [Int32] = []
      for _ in 0..<7 {
        seen += sampler.batch(2, 4).inputs.map { $0[0] / 1000 }
        #expect(sampler.epoch == epoch)
      }
      #expect(seen.sorted() == Array(0..<14))
      epochs.append(seen)
    }
    #expect(Set(epochs).count == 4, "the order must change")
  }

  @Test func epochsMayEndWithinABatch() throws {
    var sampler = BatchSampler(countingDocuments(Array(repeating: 3, count: 5)), seed: 5)
    let seen = (0..<5).flatMap { _ in sampler.batch(3, 2).inputs.map { $0[0] } }
    for epoch in 0..<3 {
      #expect(seen[epoch * 5..<epoch * 5 + 5].sorted() == [0, 1000, 2000, 3000, 4000])
    }
  }

  /// 12 tokens are 11 targets: windows of 5 begin at 0, 5 and 10; the last has one target.
  @Test func longDocumentsGiveOneOfTheirWindows() throws {
    var sampler = BatchSampler(countingDocuments([12]), seed: 6)
    var counts: [Int32: Int] = [:]
    for _ in 0..<300 {
      let batch = sampler.batch(1, 5)
      let start = batch.inputs[0][0]
      counts[start, default: 0] += 1
      #expect(batch.targetCount == (start == 10 ? 1 : 5))
      #expect(batch.targets[0][0] == start + 1)
    }
    #expect(counts.keys.sorted() == [0, 5, 10])
    #expect(counts.values.allSatisfy { $0 > 60 }, "\(counts)")
    // As many targets as fit are one window, not two.
    var exact = BatchSampler(countingDocuments([6]), seed: 6)
    for _ in 0..<20 { #expect(exact.batch(1, 5).targets == [[1, 2, 3, 4, 5]]) }
  }

  @Test(arguments: [true, false])
  func seedsDecide(_ isStream: Bool) {
    let split = isStream ? countingStream(0..<500, of: 500) : countingDocuments(.init(4..<40))
    func batches(_ seed: UInt64) -> [SampledBatch] {
      var sampler = BatchSampler(split, seed: seed)
      return (0..<20).map { _ in sampler.batch(4, 6) }
    }
    #expect(batches(1) == batches(1))
    #expect(batches(1) != batches(2))
  }

  @Test(arguments: [true, false], [0, 1, 9, 10, 33])
  func resumesExactly(_ isStream: Bool, _ steps: Int) throws {
    // 36 documents in batches of 4: an epoch ends after 9 steps; some are longer than T.
    let split = isStream ? countingStream(0..<500, of: 500) : countingDocuments(.init(4..<40))
    var sampler = BatchSampler(split, seed: 0xFFFF_FFFF_FFFF_FFFF)
    for _ in 0..<steps { _ = sampler.batch(4, 6) }
    var resumed = try BatchSampler(split, resuming: sampler.state)
    #expect(resumed.state == sampler.state)
    for step in 0..<40 { #expect(resumed.batch(4, 6) == sampler.batch(4, 6), "step \(step)") }
  }

  @Test(
    arguments: [
      (countingDocuments([4, 5, 6]), "the layout differs", "documents", "stream"),
      (countingStream(0..<51, of: 60), "the number of training tokens differs", "51", "50"),
      (
        countingStream(1..<51, of: 60), "the checksum of the training tokens differs",
        "aa09db6328375dad", "ff4ff4eb3f3c3bbb"
      ),
    ] as [(TokenSplit, String, String, String)])
  func refusesOtherData(
    _ split: TokenSplit, _ what: String, _ found: String, _ expected: String
  ) {
    let state = BatchSampler(countingStream(0..<50, of: 60), seed: 1).state
    #expect(throws: DataError.otherData(what: what, found: found, expected: expected)) {
      try BatchSampler(split, resuming: state)
    }
  }

  @Test func cutsOfTheSameTokensDiffer() {
    #expect(countingDocuments([4, 6]).checksum != countingDocuments([6, 4]).checksum)
  }

  @Test(
    arguments: [
      ("layout", .integer(1), "1", "a string"),
      ("token_count", .integer(-1), "-1", "0 or more"),
      ("sequence_count", .null, "null", "0 or more"),
      ("checksum", .string("12"), "a string", "16 hexadecimal digits"),
      ("seed", nil, "nothing", "16 hexadecimal digits"),
      ("epoch", .integer(4_294_967_296), "4294967296", "0 to 4294967295"),
      ("position", .integer(4), "4", "0 to 3"),
      (
        "generator", .array([]), "an array of 0 values",
        "4 words of 16 hexadecimal digits, not all zero"
      ),
      (
        "generator", .array(.init(repeating: .string("0000000000000000"), count: 4)),
        "an array of 4 values", "4 words of 16 hexadecimal digits, not all zero"
      ),
      (
        "generator", .array(.init(repeating: .string("000000000000000g"), count: 4)),
        "an array of 4 values", "4 words of 16 hexadecimal digits, not all zero"
      ),
    ] as [(String, JSON?, String, String)])
  func refusesDamage(_ key: String, _ value: JSON?, _ found: String, _ expected: String) throws {
    let split = countingDocuments([4, 5, 6])
    guard case .object(var members) = BatchSampler(split, seed: 1).state else { return }
    let index = try #require(members.firstIndex { $0.key == key })
    if let value { members[index].value = value } else { members.remove(at: index) }
    let state = JSON.object(members)
    #expect(throws: DataError.damagedPosition(field: key, found: found, expected: expected)) {
      try BatchSampler(split, resuming: state)
    }
  }
}
