// Finds a preset by the name that somebody typed.

import MicroGPT

/// The preset of that name; the message of an unknown one names the nearest.
func findPreset(_ name: String) throws(ConfigurationError) -> ModelPreset {
  if let found = ModelPreset.find(name) { return found }
  let names = ModelPreset.all.map(\.name)
  throw .unknownName(
    kind: "--preset", found: name, expected: names, nearest: suggestion(for: name, among: names))
}
