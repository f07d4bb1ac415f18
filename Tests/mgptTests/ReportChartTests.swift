// The arithmetic of the loss curve exactly, the drawing by its properties: size, coordinates,
// escaping, and that odd series don't break it. How it looks is for the eye.

import MicroGPT
import Testing

@testable import mgpt

private func points(_ losses: [Double], every: Int = 1) -> [LossPoint] {
  losses.enumerated().map { LossPoint(step: ($0.offset + 1) * every, loss: $0.element) }
}

@Suite("ChartMath") struct ReportChartMathTests {
  @Test(
    arguments: [
      (1, 5, 6, "1 2 3 4 5"), (0, 1, 6, "0.0 0.2 0.4 0.6 0.8 1.0"),
      (1.44, 4.17, 6, "1.0 1.5 2.0 2.5 3.0 3.5 4.0 4.5"), (3.2, 3.2, 6, "2.8 3.0 3.2 3.4 3.6"),
      (0, 0, 4, "-0.0010 -0.0005 0.0000 0.0005 0.0010"), (0, 4e9, 4, "0 1.0e9 2.0e9 3.0e9 4.0e9"),
      (5, 1, 6, "1 2 3 4 5"),
    ] as [(Double, Double, Int, String)])
  func lossAxis(low: Double, high: Double, count: Int, expected: String) {
    let axis = Axis(low: low, high: high, count: count, isRounded: true)
    #expect(axis.ticks.map { axis.label($0) }.joined(separator: " ") == expected)
    #expect(axis.low <= min(low, high) && axis.high >= max(low, high))
    #expect(axis.position(of: axis.low) == 0 && axis.position(of: axis.high) == 1)
  }

  @Test(
    arguments: [
      (0, 2000, "0 500 1000 1500 2000"), (1, 1, "1 2"), (0, 3, "0 1 2 3"),
      (0, 20_000, "0 5K 10K 15K 20K"), (0, 1_000_000, "0 0.2M 0.4M 0.6M 0.8M 1.0M"),
      (950, 1000, "950 960 970 980 990 1000"),
    ] as [(Double, Double, String)])
  func stepAxis(low: Double, high: Double, expected: String) {
    let axis = Axis(low: low, high: high, count: 6, isInteger: true)
    #expect(axis.ticks.map { axis.label($0, isCount: true) }.joined(separator: " ") == expected)
  }

  @Test func smoothingKeepsConstantsLinesAndTheFirstPoint() {
    let constant = points(Array(repeating: 3.5, count: 500))
    #expect(smoothed(constant).allSatisfy { ($0.loss - 3.5).magnitude < 1e-9 })
    let line = points((0..<500).map { 10 - 0.01 * Double($0) })
    for (a, b) in zip(smoothed(line), line).dropLast(20) {
      #expect((a.loss - b.loss).magnitude < 1e-9)
    }
    let steep = points((0..<500).map { 1 + 3 / Double($0 + 1) })
    #expect(smoothed(steep).first == steep.first)
    #expect(smoothed([]).isEmpty)
    let few = points([3, 2, 5])
    #expect(smoothed(few) == few)
  }

  @Test func smoothingReducesNoise() {
    var generator = RandomGenerator(seed: 7)
    let noise = points((0..<4000).map { _ in generator.nextNormal() })
    let worst = smoothed(noise).dropFirst(200).map(\.loss.magnitude).max() ?? 9
    #expect(worst < 0.6)  // standard deviation of a mean of 100 is 0.1; 3800 values, seed fixed
  }

  @Test func aSpikeIsPulledIn() {
    var losses = (0..<1000).map { 2 + 0.001 * Double($0 % 10) }
    losses[0] = 4
    losses[500] = 1e30
    let tamed = withoutSpikes(points(losses)).map(\.loss)
    #expect(tamed[0] == 4)
    #expect(tamed[500] == 4)
    #expect(tamed[1...499].elementsEqual(losses[1...499]))
  }

  @Test func downsamplingKeepsExtremesAndOrder() {
    var losses = (0..<100_000).map { Double($0 % 7) }
    losses[33_333] = 100
    losses[66_666] = -100
    let few = downsampled(points(losses), bucketCount: 200)
    #expect(few.count <= 400)
    #expect(few.contains { $0.loss == 100 } && few.contains { $0.loss == -100 })
    #expect(zip(few, few.dropFirst()).allSatisfy { $0.step < $1.step })
    let small = points([1, 2, 3])
    #expect(downsampled(small, bucketCount: 2) == small)
  }

  /// Steps that bunch up and a last step on the edge of a bucket.
  @Test func downsamplingUnevenSteps() {
    let uneven = (0..<5000).map { LossPoint(step: $0 * $0, loss: Double($0)) }
    let few = downsampled(uneven, bucketCount: 50)
    #expect(few.count <= 100)
    #expect(few.last?.step == 4999 * 4999)
    #expect(few.first?.step == 0)
  }
}

@Suite("LossChart") struct ReportLossChartTests {
  /// All numbers in the geometry of paths and circles.
  private func coordinates(_ svg: String) -> [Double] {
    let pieces = svg.split(separator: "\"", omittingEmptySubsequences: false)
    return zip(pieces, pieces.dropFirst())
      .filter { name, _ in [" d=", " cx=", " cy="].contains { name.hasSuffix($0) } }
      .flatMap { _, value in value.split { !"0123456789.-".contains($0) } }
      .map { Double($0) ?? .infinity }
  }

  private func check(_ svg: String, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(svg.hasPrefix("<svg ") && svg.hasSuffix("</svg>\n"), sourceLocation: sourceLocation)
    #expect(!svg.contains("nan") && !svg.contains("inf"), sourceLocation: sourceLocation)
    #expect(svg.utf8.count < 200_000, sourceLocation: sourceLocation)
    let coordinates = coordinates(svg)
    #expect(!coordinates.isEmpty, sourceLocation: sourceLocation)
    #expect(coordinates.allSatisfy { $0.magnitude <= 2000 }, sourceLocation: sourceLocation)
  }

  @Test(
    arguments: [
      ([], []), ([4.17], []), ([], [4.2]), ([4.17], [4.2]), ([3, 3, 3], [3, 3]), ([0, 0], [0]),
      ([.nan, .infinity], [.nan]), ([.nan, 2, .nan, 1.9], [2, .nan]), ([1e300, 2, -1e300], []),
      ([1e-12, 2e-12], []), ([1e30, 1e-30], [7]),
    ] as [([Double], [Double])])
  func oddSeries(training: [Double], validation: [Double]) {
    check(
      LossChart(title: "t", training: points(training), validation: points(validation)).svg())
  }

  @Test func nothingRecorded() {
    let svg = LossChart(title: "t", training: [], validation: []).svg()
    #expect(svg.contains(">no losses recorded<"))
    #expect(!svg.contains(">training<") && !svg.contains(">validation<"))
  }

  @Test func theBestIsMarked() {
    let svg = LossChart(
      title: "names.txt, 796 K parameters", training: points([3, 2, 1]),
      validation: points([2.5, 1.23456, 1.5], every: 50)
    ).svg()
    #expect(svg.contains(">best 1.2346 at step 100</text>"))
    #expect(svg.contains(">names.txt, 796 K parameters</text>"))
    #expect(svg.contains(">training</text>") && svg.contains(">validation</text>"))
    #expect(svg.contains(">loss (nats/token)</text>") && svg.contains(">step</text>"))
  }

  @Test func titlesAreEscapedAndCut() {
    let svg = LossChart(
      title: "a<b>&\"c\u{1B}[1m" + String(repeating: "x", count: 99), training: [],
      validation: []
    ).svg()
    #expect(svg.contains(">a&lt;b&gt;&amp;&quot;c[1mxxx"))
    #expect(svg.contains("x…</text>"))
    #expect(!svg.contains("\u{1B}"))
  }

  @Test func aLongRunStaysSmall() {
    var generator = RandomGenerator(seed: 3)
    var training = points((0..<200_000).map { _ in 2 + generator.nextUniform() }, every: 5)
    training[70_000].loss = 1e30
    let validation = points((0..<20_000).map { _ in 2 + generator.nextUniform() }, every: 50)
    let svg = LossChart(title: "long", training: training, validation: validation).svg()
    check(svg)
    #expect(!svg.contains("e30") && !svg.contains("<script"))
  }
}
