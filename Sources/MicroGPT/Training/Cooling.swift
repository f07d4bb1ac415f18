// When a run pauses because the machine is too hot, and when it goes on. Decisions only:
// TrainingRun reads the sensors and waits.

/// The time of a run; tests have one that passes when they say so.
public struct RunClock {
  /// Seconds; only differences mean anything.
  public var now: () -> Double
  /// Waits for so many seconds, or less if a signal comes.
  public var sleep: (Double) -> Void

  /// A clock of these functions.
  public init(now: @escaping () -> Double, sleep: @escaping (Double) -> Void) {
    (self.now, self.sleep) = (now, sleep)
  }

  /// The system's.
  public static var system: RunClock {
    RunClock(now: { SystemInfo.seconds }, sleep: { SystemInfo.sleep($0) })
  }
}

/// A pause of a run, as it is told while it lasts and when it is over.
public struct CoolingReport: Sendable, Equatable {
  /// Steps done.
  public var step: Int
  /// The step at which the run will end.
  public var totalSteps: Int
  /// The temperature of this moment.
  public var celsius: Double
  /// At this temperature the run goes on.
  public var goal: Double
  /// Seconds since the pause began.
  public var seconds: Double
  /// Whether the run goes on now.
  public var isOver: Bool

  /// A report of these values.
  public init(
    step: Int, totalSteps: Int, celsius: Double, goal: Double, seconds: Double, isOver: Bool
  ) {
    (self.step, self.totalSteps, self.celsius) = (step, totalSteps, celsius)
    (self.goal, self.seconds, self.isOver) = (goal, seconds, isOver)
  }
}

/// Keeps a run below a temperature by pausing it.
struct Cooling {
  /// Degrees below the limit at which a paused run goes on: without a gap it would start and stop
  /// every second.
  static let gap = 5.0
  /// Seconds without an answer of the sensor after which a run ends.
  static let patience = 30.0

  /// Above this temperature the run pauses.
  let maximum: Double
  /// Seconds paused so far.
  private(set) var pausedSeconds = 0.0
  private var pausedSince: Double?
  private var silentSince: Double?

  /// What to do next.
  enum Decision: Equatable {
    case run
    /// Wait, then decide again; the pause has lasted so long.
    case wait(seconds: Double)
    /// The pause is over.
    case goOn(seconds: Double)
    /// The sensor has not answered for too long.
    case lost
  }

  init(maximum: Double) { self.maximum = maximum }

  /// At or below this temperature a paused run goes on.
  var goal: Double { maximum - Self.gap }

  /// Decides by the temperature at the time `now`; nil if the sensor says nothing.
  mutating func decide(_ celsius: Double?, at now: Double) -> Decision {
    guard let celsius else {
      // Since the first silence, not since the last answer: a step may take longer than that.
      let start = silentSince ?? now
      silentSince = start
      if now - start > Self.patience { return .lost }
      return pausedSince.map { .wait(seconds: now - $0) } ?? .run
    }
    silentSince = nil
    guard let start = pausedSince else {
      if celsius <= maximum { return .run }
      pausedSince = now
      return .wait(seconds: 0)
    }
    if celsius > goal { return .wait(seconds: now - start) }
    end(at: now)
    return .goOn(seconds: now - start)
  }

  /// Ends the pause, if there is one.
  mutating func end(at now: Double) {
    if let start = pausedSince { pausedSeconds += now - start }
    pausedSince = nil
  }
}

/// Why a run that must stay below a temperature can't go on.
public enum SensorError: UserFacingError, Equatable {
  /// The temperature can't be read any more; the run was saved.
  case lost(step: Int, path: String)

  /// The code the process exits with.
  public var exitCode: ExitCode { .unavailable }

  /// One line: what is wrong, what was expected, what to do.
  public var description: String {
    switch self {
    case .lost(let step, let path):
      "the temperature sensor is gone. Found no answer for \(Int(Cooling.patience)) s, expected a "
        + "temperature to hold against --max-temp; step \(step) is saved in \(path). Use --resume "
        + "when it answers again, or without --max-temp."
    }
  }
}
