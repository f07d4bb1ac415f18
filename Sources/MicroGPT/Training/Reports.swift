// What a training run tells whoever watches it. Values only: how they are shown (a live line,
// JSON, CSV, a curve) is the business of the command line.

/// The state of a run after one optimizer step.
public struct StepReport: Sendable, Equatable {
  /// Steps done, counted from 1; on resume it goes on where the saved run stopped.
  public var step: Int
  /// The step at which the run will end.
  public var totalSteps: Int
  /// Mean training loss of this step's batch, nats per token.
  public var loss: Double
  /// The rate of this step.
  public var learningRate: Double
  /// Global norm of the gradient before clipping.
  public var gradientNorm: Double
  /// Wall-clock time of this step, milliseconds.
  public var stepMilliseconds: Double
  /// Throughput over the last reporting interval.
  public var tokensPerSecond: Double
  /// Model floating-point operations per second over the measured peak, 0 … 1; nil if unmeasured.
  public var shareOfPeak: Double?
  /// Seconds since this process began training.
  public var elapsedSeconds: Double
  /// Peak resident memory of the process, bytes.
  public var peakResidentByteCount: Int
  /// What the machine's sensors say, at most a second old.
  public var machine: MachineState
  /// Seconds that the run has paused to cool, since this process began training; nil if it never
  /// does.
  public var pausedSeconds: Double?

  /// A report of these values.
  public init(
    step: Int, totalSteps: Int, loss: Double, learningRate: Double, gradientNorm: Double,
    stepMilliseconds: Double, tokensPerSecond: Double, shareOfPeak: Double?,
    elapsedSeconds: Double, peakResidentByteCount: Int, machine: MachineState = MachineState(),
    pausedSeconds: Double? = nil
  ) {
    self.step = step
    self.totalSteps = totalSteps
    self.loss = loss
    self.learningRate = learningRate
    self.gradientNorm = gradientNorm
    self.stepMilliseconds = stepMilliseconds
    self.tokensPerSecond = tokensPerSecond
    self.shareOfPeak = shareOfPeak
    self.elapsedSeconds = elapsedSeconds
    self.peakResidentByteCount = peakResidentByteCount
    self.machine = machine
    self.pausedSeconds = pausedSeconds
  }
}

/// The result of walking the whole validation split once.
public struct EvaluationReport: Sendable, Equatable {
  /// Steps done when it was evaluated.
  public var step: Int
  /// Mean loss, nats per token.
  public var loss: Double
  /// exp(loss).
  public var perplexity: Double
  /// Total negative log-likelihood in bits over the bytes of text that the tokens stand for.
  public var bitsPerByte: Double
  /// Tokens predicted.
  public var tokenCount: Int
  /// Whether this is the lowest validation loss of the run so far.
  public var isBest: Bool

  /// A report of these values.
  public init(
    step: Int, loss: Double, perplexity: Double, bitsPerByte: Double, tokenCount: Int,
    isBest: Bool
  ) {
    self.step = step
    self.loss = loss
    self.perplexity = perplexity
    self.bitsPerByte = bitsPerByte
    self.tokenCount = tokenCount
    self.isBest = isBest
  }
}
