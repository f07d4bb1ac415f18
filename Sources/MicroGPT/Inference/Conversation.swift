// A conversation as tokens: system text, turns, and which of them still fit into the context. Runs
// no model and shows nothing.

/// A system text and turns of message and answer, kept as tokens beside their texts.
///
/// The tokens of each part are computed once. So the tokens of a conversation begin with those of
/// the turn before, which a cache of keys and values may hold.
public struct Conversation {
  /// A message and its answer.
  public struct Turn: Sendable, Equatable {
    /// What the person wrote.
    public let message: String
    /// What the model answered, without blanks around it.
    public let answer: String
    /// Both, with the template's words.
    let tokens: [Int32]
  }

  /// The form it is written in.
  public let template: ChatTemplate
  /// What stands before all turns, if not empty.
  public private(set) var system = ""
  /// The turns that are still remembered, the oldest first.
  public private(set) var turns: [Turn] = []

  private let tokenizer: any TextTokenizer
  private let layout: CorpusLayout
  private let contextLength: Int
  private var systemTokens: [Int32] = []

  /// Begins one without turns.
  public init(
    template: ChatTemplate, tokenizer: any TextTokenizer, layout: CorpusLayout, contextLength: Int
  ) {
    self.template = template
    self.tokenizer = tokenizer
    self.layout = layout
    self.contextLength = contextLength
    systemTokens = beginTokens
  }

  /// Tokens of everything that is remembered.
  public var tokenCount: Int { turns.reduce(systemTokens.count) { $0 + $1.tokens.count } }

  /// Tokens that are kept free for an answer: a quarter of the context, if so many are wanted.
  public func reserve(_ maxTokens: Int) -> Int { max(1, min(maxTokens, contextLength / 4)) }

  /// Sets the text that precedes all turns; an empty one removes it.
  ///
  /// *Throws* if it leaves less than half of the context; then the old one stays.
  public mutating func setSystem(_ text: String) throws {
    let tokens = beginTokens + (try encode(template.system(text)))
    if tokens.count > contextLength / 2 {
      throw ConversationError.systemTooLong(tokens: tokens.count, room: contextLength / 2)
    }
    (system, systemTokens) = (text, tokens)
  }

  /// Forgets all turns; the system text stays.
  public mutating func reset() { turns = [] }

  /// The tokens with which to ask for an answer to `message`, and the number of turns that had to
  /// be forgotten for it.
  ///
  /// Everything must fit into the context with `reserve(maxTokens)` tokens to spare. If it doesn't,
  /// the oldest turns go until half of the context is free: were only as many dropped as need be,
  /// the beginning would change with each message, and nothing of the cache could be used again.
  ///
  /// *Throws* if the message alone is too long; then nothing is forgotten.
  public mutating func ask(
    _ message: String, maxTokens: Int
  ) throws -> (tokens: [Int32], forgotten: Int) {
    let asked = try encode(template.user(message))
    let room = contextLength - reserve(maxTokens) - systemTokens.count
    if asked.count > room {
      throw ConversationError.messageTooLong(
        tokens: asked.count, room: room, context: contextLength)
    }
    var forgotten = 0
    var count = tokenCount + asked.count
    if count > contextLength - reserve(maxTokens) {
      while forgotten < turns.count && count > contextLength / 2 {
        count -= turns[forgotten].tokens.count
        forgotten += 1
      }
      turns.removeFirst(forgotten)
    }
    return (turns.reduce(systemTokens) { $0 + $1.tokens } + asked, forgotten)
  }

  /// Adds a turn whose answer the model has just given.
  ///
  /// `generated` are its tokens, of which those count that make up the answer's text.
  public mutating func add(message: String, answer: [UInt8], generated: [Int32]) throws {
    var count = 0
    var length = 0
    var bytes: [UInt8] = []
    while count < generated.count && length < answer.count {
      bytes.removeAll(keepingCapacity: true)
      tokenizer.append(generated[count], to: &bytes)
      length += bytes.count
      count += 1
    }
    // A stop string may begin within a token: then the text is encoded anew.
    let whole = Array(generated[..<count])
    let tokens = tokenizer.decode(whole) == answer ? whole : try tokenizer.encode(answer)
    let text = String(decoding: answer, as: UTF8.self)
    turns.append(
      Turn(
        message: message, answer: Conversation.trimmed(text),
        tokens: try encode(template.user(message)) + tokens + encode(template.answerEnd)))
  }

  /// Adds a turn from elsewhere.
  public mutating func add(message: String, answer: String) throws {
    let text = template.user(message) + template.answer(answer) + template.answerEnd
    turns.append(Turn(message: message, answer: answer, tokens: try encode(text)))
  }

  private var beginTokens: [Int32] {
    layout.hasDocuments ? tokenizer.documentBegin.map { [$0] } ?? [] : []
  }

  private func encode(_ text: String) throws(TokenizerError) -> [Int32] {
    try tokenizer.encode(Array(text.utf8))
  }

  /// Without blanks and line breaks at both ends.
  public static func trimmed(_ text: String) -> String {
    let start = text.drop { $0.isWhitespace }
    guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
    return String(start[...last])
  }
}

/// Why a text does not fit into a conversation.
public enum ConversationError: UserFacingError, Equatable {
  case messageTooLong(tokens: Int, room: Int, context: Int)
  case systemTooLong(tokens: Int, room: Int)
  case damaged(what: String, found: String, expected: String)

  /// The code the process exits with.
  public var exitCode: ExitCode { .data }

  /// One line: what is wrong, what was expected, what to do.
  public var description: String {
    switch self {
    case .messageTooLong(let tokens, let room, let context):
      "the message is too long. Found \(tokens) tokens, expected at most \(max(room, 0)) of a "
        + "context of \(context). Shorten it, or the system text."
    case .systemTooLong(let tokens, let room):
      "the system text is too long. Found \(tokens) tokens, expected at most \(room), half of the "
        + "context. Shorten it."
    case .damaged(let what, let found, let expected):
      "no saved conversation: \(what). Found \(found), expected \(expected). Use a file of /save."
    }
  }
}
