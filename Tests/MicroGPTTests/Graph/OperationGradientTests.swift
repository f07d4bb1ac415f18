// Every operation of the graph, forward and backward, against the double-precision reference.
import Testing

@testable import MicroGPT

@Suite struct OperationGradientTests {
  private static let width = GraphCase.width
  /// The source of most cases: (B, T, 6) by (out, 6), so that the operation reads an activation.
  private static func source(_ out: Int) -> [Shape] {
    [Shape(GraphCase.batch, GraphCase.time, 6), Shape(out, 6)]
  }

  static let linear: [GraphCase] = [false, true].map { hasBias in
    GraphCase(
      name: hasBias ? "linear with bias" : "linear",
      shapes: source(width) + [Shape(5, width), Shape(5)],
      record: { graph, p, _ in
        let x = graph.linear(p[0], weight: p[1])
        return graph.linear(x, weight: p[2], bias: hasBias ? p[3] : nil)
      },
      reference: { p, _, _ in
        let x = Reference.linear(p[0], p[1])
        return Reference.linear(x, p[2], bias: hasBias ? p[3].values : nil)
      }, resultWidth: 5)
  }

  /// Kind, gain and bias, with and without the residual addition fused in; the sum is used again.
  static let norms: [GraphCase] = [
    (NormKind.rms, false, false), (.rms, true, false), (.layer, false, false),
    (.layer, true, false), (.layer, true, true),
  ].flatMap { kind, hasGain, hasBias in
    [0, 1, 2].map { fusion in
      GraphCase(
        name: "\(kind) norm, gain \(hasGain), bias \(hasBias), fusion \(fusion)",
        shapes: source(width) + [Shape(width, 6), Shape(width), Shape(width)],
        record: { graph, p, _ in
          var x = graph.linear(p[0], weight: p[1])
          if fusion > 0 { x = graph.add(x, graph.linear(p[0], weight: p[2])) }
          let y = graph.norm(x, kind: kind, gain: hasGain ? p[3] : nil, bias: hasBias ? p[4] : nil)
          return fusion == 2 ? graph.add(x, y) : y
        },
        reference: { p, _, _ in
          var x = Reference.linear(p[0], p[1])
          if fusion > 0 { x = x + Reference.linear(p[0], p[2]) }
          let y = Reference.norm(
            x, kind, gain: hasGain ? p[3].values : nil, bias: hasBias ? p[4].values : nil)
          return fusion == 2 ? x + y : y
        })
    }
  }

  static let activations: [GraphCase] = Activation.allCases.map { kind in
    GraphCase(
      name: "\(kind)", shapes: source(2 * width),
      record: { graph, p, _ in graph.activate(graph.linear(p[0], weight: p[1]), kind) },
      reference: { p, _, _ in Reference.activate(Reference.linear(p[0], p[1]), kind) },
      resultWidth: kind == .swiglu ? width : 2 * width)
  }

  /// Heads, key/value heads, head width, rotation, normalisation.
  static let attention: [GraphCase] = [
    (1, 1, 4, false, false), (2, 2, 4, true, false), (4, 2, 2, true, true), (3, 1, 6, true, true),
    (2, 1, 5, false, true), (2, 2, 3, false, false),
  ].map { heads, keyValueHeads, headWidth, rotates, normalizes in
    let layout = HeadLayout(
      headCount: heads, keyValueHeadCount: keyValueHeads, headWidth: headWidth)
    return GraphCase(
      name: "attention \(layout), rotates \(rotates), normalizes \(normalizes)",
      shapes: source(layout.rowWidth),
      record: { graph, p, _ in
        var qkv = graph.linear(p[0], weight: p[1])
        if rotates || normalizes {
          qkv = graph.rotary(
            qkv, heads: layout, contextLength: 9, rotates: rotates, normalizes: normalizes)
        }
        return graph.attention(qkv, heads: layout)
      },
      reference: { p, _, _ in
        let qkv = Reference.rotary(
          Reference.linear(p[0], p[1]), layout, time: GraphCase.time, rotates: rotates,
          normalizes: normalizes)
        return Reference.attention(qkv, layout, time: GraphCase.time)
      }, resultWidth: heads * headWidth)
  }

  static let embeddings: [GraphCase] = [false, true].map { hasPositions in
    GraphCase(
      name: "embedding, positions \(hasPositions)", shapes: [Shape(7, width), Shape(9, width)],
      record: { graph, p, tokens in
        graph.embedding(tokens, table: p[0], positions: hasPositions ? p[1] : nil, scale: 1.5)
      },
      reference: { p, tokens, _ in
        Reference.embedding(
          tokens, table: p[0], positions: hasPositions ? p[1] : nil, scale: 1.5,
          time: GraphCase.time)
      })
  }

  static let others: [GraphCase] = [
    GraphCase(
      name: "dropout twice, in place", shapes: source(width),
      record: { graph, p, _ in
        graph.dropout(graph.dropout(graph.linear(p[0], weight: p[1]), rate: 0.4), rate: 0.4)
      },
      reference: { p, _, masks in
        var x = Reference.linear(p[0], p[1])
        for mask in masks { x.values = zip(x.values, mask).map { $0 * $1 } }
        return x
      }),
    GraphCase(
      name: "soft cap", shapes: source(width),
      record: { graph, p, _ in graph.linear(p[0], weight: p[1]) },
      reference: { p, _, _ in Reference.linear(p[0], p[1]) }, cap: 3),
    GraphCase(
      name: "wide vocabulary", shapes: source(width),
      record: { graph, p, _ in graph.linear(p[0], weight: p[1]) },
      reference: { p, _, _ in Reference.linear(p[0], p[1]) }, vocabulary: 150),
    GraphCase(
      name: "add of parameters", shapes: [source(width)[0], source(width)[0]],
      record: { graph, p, _ in graph.add(p[0], p[1]) },
      reference: { p, _, _ in p[0] + p[1] }, resultWidth: 6),
  ]

  static let all = linear + norms + activations + attention + embeddings + others

  @Test(arguments: all) func gradients(_ subject: GraphCase) throws {
    let run = try GraphRun(subject, seed: 11)
    let loss = run.run()
    let expected = run.reference(run.check.values)
    #expect(abs(loss - expected) <= 1e-5 * expected)
    #expect(run.check.directions(2, seed: 12) == [])
    #expect(run.check.entries(sample: 6, seed: 13) == [])
  }

  /// Two runs add up: backward adds into the gradients of parameters.
  @Test(arguments: [linear[1], norms[4], attention[2], embeddings[1]])
  func backwardAdds(_ subject: GraphCase) throws {
    let run = try GraphRun(subject, seed: 11)
    _ = run.run()
    let once = run.parameters.indices.map(run.gradient)
    run.executor.forward()
    run.executor.backward()
    for index in run.parameters.indices {
      for (twice, once) in zip(run.gradient(index), once[index]) {
        #expect(abs(twice - 2 * once) <= 1e-5 * max(1, abs(once)))
      }
    }
  }
}

/// Losses whose logits are computed in chunks of rows.
@Suite struct ChunkedLossTests {
  /// 110 rows of 5500 logits: chunks of 96 and 14 rows.
  ///
  /// Exact formulas instead of differences, which would take seconds.
  @Test(arguments: [Float(0), 4]) func chunks(_ cap: Float) throws {
    let (rows, vocabulary, width) = (110, 5500, 3)
    let compute = try Compute(threadCount: 2)
    var graph = Graph(isTraining: true)
    let table = graph.parameter(offset: 0, shape: Shape(vocabulary, width))
    let head = graph.parameter(offset: vocabulary * width, shape: Shape(vocabulary, width))
    let inputs = graph.input(Shape(1, rows))
    let targets = graph.input(Shape(1, rows))
    let x = graph.embedding(inputs, table: table, positions: nil, scale: 1)
    graph.linearCrossEntropy(x, head: head, targets: targets, cap: cap)
    let weights = try Arena(byteCount: 8 * vocabulary * width)
    let gradients = try Arena(byteCount: 8 * vocabulary * width)
    var random = RandomGenerator(seed: 3)
    for i in weights.floats.indices { weights.floats[i] = Float(random.nextNormal()) }
    let executor = try Executor(
      graph, compute: compute, parameters: weights, gradients: gradients)
    for r in 0..<rows {
      executor.integers(inputs)[r] = Int32(random.next(below: vocabulary))
      executor.integers(targets)[r] = r % 7 == 3 ? -1 : Int32(random.next(below: vocabulary))
    }
    executor.state.pointee.lossWeight = 0.5
    executor.forward()
    executor.backward()

    var loss = 0.0
    var dHead = [Double](repeating: 0, count: vocabulary * width)
    let h = vocabulary * width
    for r in 0..<rows where executor.integers(targets)[r] >= 0 {
      let (token, target) = (Int(executor.integers(inputs)[r]), Int(executor.integers(targets)[r]))
      let row = (0..<width).map { Double(weights.floats[token * width + $0]) }
      var z = [Double](repeating: 0, count: vocabulary)
      for v in 0..<vocabulary {
        let at = h + v * width
        for k in 0..<width { z[v] += row[k] * Double(weights.floats[at + k]) }
      }
      let capped = z.map { Reference.softCap($0, Double(cap)) }
      let p = Reference.softmax(capped)
      loss -= Reference.logarithm(p[target])
      for v in 0..<vocabulary {
        let slope = cap > 0 ? 1 - capped[v] * capped[v] / Double(cap * cap) : 1
        let dz = 0.5 * (p[v] - (v == target ? 1 : 0)) * slope
        for k in 0..<width { dHead[v * width + k] += dz * row[k] }
      }
    }
    #expect(abs(executor.state.pointee.lossSum - loss) < 1e-5 * loss)
    let largest = dHead.reduce(0) { max($0, abs($1)) }
    let found = gradients.floats[h...].map(Double.init)
    let error = zip(found, dHead).reduce(0) { max($0, abs($1.0 - $1.1)) }
    #expect(error < 1e-4 * largest)
  }
}
