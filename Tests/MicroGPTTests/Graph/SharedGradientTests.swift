// Graphs in which a tensor is read several times, weights are shared, or gradients could share
// memory where they must not. No model has all of these; the graph must get them right anyway.
import Testing

@testable import MicroGPT

@Suite struct SharedGradientTests {
  private static let width = GraphCase.width
  private static let shapes =
    [Shape(GraphCase.batch, GraphCase.time, width)]
    + Array(repeating: Shape(width, width), count: 5)
  private static let layout = HeadLayout(headCount: 1, keyValueHeadCount: 1, headWidth: 4)
  private static let turnShapes = [Shape(GraphCase.batch, GraphCase.time, 8), Shape(12, 8)]

  private static func linear(_ x: Matrix, _ w: Matrix) -> Matrix { Reference.linear(x, w) }
  private static func rms(_ x: Matrix) -> Matrix { Reference.norm(x, .rms, gain: nil, bias: nil) }
  private static func turn(_ x: Matrix) -> Matrix {
    Reference.rotary(x, layout, time: GraphCase.time, rotates: true, normalizes: true)
  }

  static let cases: [GraphCase] = [
    GraphCase(
      name: "a tensor added to itself", shapes: shapes,
      record: { graph, p, _ in
        let x = graph.linear(p[0], weight: p[1])
        return graph.add(x, x)
      },
      reference: { p, _, _ in linear(p[0], p[1]) + linear(p[0], p[1]) }),
    GraphCase(
      name: "a tensor added to itself and normalised", shapes: shapes,
      record: { graph, p, _ in
        let x = graph.linear(p[0], weight: p[1])
        let y = graph.norm(graph.add(x, x), kind: .layer, gain: nil, bias: nil)
        return graph.add(y, x)
      },
      reference: { p, _, _ in
        let x = linear(p[0], p[1])
        return Reference.norm(x + x, .layer, gain: nil, bias: nil) + x
      }),
    GraphCase(
      name: "one weight in three places", shapes: shapes,
      record: { graph, p, _ in
        let x = graph.linear(p[0], weight: p[1])
        return graph.linear(graph.add(x, graph.linear(x, weight: p[1])), weight: p[1])
      },
      reference: { p, _, _ in
        let x = linear(p[0], p[1])
        return linear(x + linear(x, p[1]), p[1])
      }),
    GraphCase(
      name: "a tensor read by five", shapes: shapes,
      record: { graph, p, _ in
        let x = graph.linear(p[0], weight: p[1])
        let a = graph.norm(x, kind: .rms, gain: nil, bias: nil)
        let b = graph.linear(x, weight: p[2])
        let c = graph.add(x, graph.linear(x, weight: p[3]))
        return graph.add(graph.add(graph.add(a, b), c), x)
      },
      reference: { p, _, _ in
        let x = linear(p[0], p[1])
        return rms(x) + linear(x, p[2]) + x + linear(x, p[3]) + x
      }),
    GraphCase(
      name: "an older branch behind a residual", shapes: shapes,
      record: { graph, p, _ in
        let c = graph.linear(p[0], weight: p[1])
        let a = graph.linear(p[0], weight: p[2])
        let b = graph.linear(graph.norm(a, kind: .rms, gain: nil, bias: nil), weight: p[3])
        return graph.add(graph.add(a, b), c)
      },
      reference: { p, _, _ in
        let a = linear(p[0], p[2])
        return a + linear(rms(a), p[3]) + linear(p[0], p[1])
      }),
    GraphCase(
      name: "a rotated tensor added to an older one", shapes: turnShapes + [Shape(12, 8)],
      record: { graph, p, _ in
        let z = graph.linear(p[0], weight: p[1])
        let x = graph.linear(p[0], weight: p[2])
        let y = graph.rotary(
          x, heads: layout, contextLength: 6, rotates: true, normalizes: true)
        return graph.add(y, z)
      },
      reference: { p, _, _ in turn(linear(p[0], p[2])) + linear(p[0], p[1]) }, resultWidth: 12),
    GraphCase(
      name: "a tensor read rotated and plain", shapes: turnShapes,
      record: { graph, p, _ in
        let x = graph.linear(p[0], weight: p[1])
        let y = graph.rotary(
          x, heads: layout, contextLength: 6, rotates: true, normalizes: true)
        return graph.add(y, x)
      },
      reference: { p, _, _ in turn(linear(p[0], p[1])) + linear(p[0], p[1]) }, resultWidth: 12),
    GraphCase(
      name: "a normalised sum added to an older branch", shapes: shapes,
      record: { graph, p, _ in
        let z = graph.linear(p[0], weight: p[1])
        let a = graph.linear(p[0], weight: p[2])
        let s = graph.add(a, graph.linear(p[0], weight: p[3]))
        let y = graph.norm(s, kind: .rms, gain: nil, bias: nil)
        return graph.add(graph.add(graph.linear(y, weight: p[4]), s), z)
      },
      reference: { p, _, _ in
        let s = linear(p[0], p[2]) + linear(p[0], p[3])
        return linear(rms(s), p[4]) + s + linear(p[0], p[1])
      }),
    GraphCase(
      name: "post-norm, twice, with the input read again", shapes: shapes,
      record: { graph, p, _ in
        func norm(_ x: Tensor) -> Tensor { graph.norm(x, kind: .layer, gain: nil, bias: nil) }
        let x = graph.linear(p[0], weight: p[1])
        let y = norm(graph.add(x, graph.linear(x, weight: p[2])))
        let z = norm(graph.add(y, graph.linear(y, weight: p[3])))
        return graph.add(z, x)
      },
      reference: { p, _, _ in
        func norm(_ x: Matrix) -> Matrix { Reference.norm(x, .layer, gain: nil, bias: nil) }
        let x = linear(p[0], p[1])
        let y = norm(x + linear(x, p[2]))
        return norm(y + linear(y, p[3])) + x
      }),
    GraphCase(
      name: "dropout of a branch of the residual", shapes: shapes,
      record: { graph, p, _ in
        let x = graph.linear(p[0], weight: p[1])
        return graph.add(x, graph.dropout(graph.linear(x, weight: p[2]), rate: 0.4))
      },
      reference: { p, _, masks in
        let x = linear(p[0], p[1])
        var branch = linear(x, p[2])
        branch.values = zip(branch.values, masks[0]).map { $0 * $1 }
        return x + branch
      }),
  ]

  @Test(arguments: cases) func gradients(_ subject: GraphCase) throws {
    let run = try GraphRun(subject, seed: 21)
    let loss = run.run()
    #expect(abs(loss - run.reference(run.check.values)) <= 1e-5 * loss)
    #expect(run.check.directions(3, seed: 22) == [])
    #expect(run.check.entries(sample: 6, seed: 23) == [])
  }

  /// Tensors that stand for the result of a linear map, in recording order.
  private func linearOutputs(_ run: GraphRun) -> [Int] {
    run.executor.graph.operations.filter { $0.name.hasPrefix("linear") }.map { $0.outputs[0].id }
  }

  private func run(_ name: String) throws -> GraphRun {
    try GraphRun(#require(Self.cases.first { $0.name == name }), seed: 1)
  }

  /// The plan gives memory of their own to gradients that others would change too early.
  @Test func refusesToShare() throws {
    for (name, pair) in [
      ("an older branch behind a residual", (0, 1)),
      ("a rotated tensor added to an older one", (0, 1)),
      ("a normalised sum added to an older branch", (0, 1)),
    ] {
      let run = try run(name)
      let outputs = linearOutputs(run)
      let blocks = run.executor.plan.gradientBlock
      #expect(blocks[outputs[pair.0]] != blocks[outputs[pair.1]], "\(name)")
    }
  }

  /// The residual stream of a model has one gradient for all blocks; so has what is added to it.
  @Test func sharesAlongTheResidualStream() throws {
    let model = try SmallModels.model("modern")
    let graph = LossGraph(
      model.configuration, model.table, batchSize: 1, sequenceLength: 4, isTraining: true
    ).graph
    let plan = MemoryPlan(graph)
    let shared = graph.operations.compactMap(\.passThrough).filter { $0.inputs.count == 2 }
    #expect(shared.count == 2 * model.configuration.layerCount)
    for pass in shared {
      for input in pass.inputs {
        #expect(plan.gradientBlock[input.id] == plan.gradientBlock[pass.output.id])
      }
    }
  }
}
