// Saved conversations on disk: written as a whole or not at all, and read with distrust.

import MicroGPT

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Bytes of the largest file that is read: a mistyped name must not fill the memory.
private let largestFile = 64_000_000

/// Writes `conversation` to `path`, replacing an earlier one.
///
/// *Throws* if the file can't be made, or if it holds something else.
func saveConversation(_ conversation: Conversation, to path: String) throws {
  if fileExists(path) && !isFolder(path) {
    guard let saved = try? readConversation(path), Conversation.isSaved(saved) else {
      throw ChatCommandError.otherFile(path: path)
    }
  }
  try AtomicFile.replace(path, with: conversation.json.utf8Bytes + [0x0A])
}

/// Replaces `conversation` by the one in `path`.
///
/// *Throws* if there is none; then nothing is changed.
func loadConversation(_ path: String, into conversation: inout Conversation) throws {
  do {
    try conversation.load(try readConversation(path))
  } catch let error as ConversationError {
    throw ChatCommandError.badConversation(path: path, error)
  }
}

private func readConversation(_ path: String) throws -> JSON {
  var status = stat()
  if stat(path, &status) == 0 && status.st_mode & S_IFMT != S_IFDIR {
    // A pipe would be waited for.
    guard status.st_mode & S_IFMT == S_IFREG, Int(status.st_size) <= largestFile else {
      throw ChatCommandError.noConversation(path: path)
    }
  }
  let bytes = try readFile(path)
  guard let json = try? JSON.parse(bytes) else {
    throw ChatCommandError.noConversation(path: path)
  }
  return json
}
