// What the program calls itself, in `--version` and in reports.

import CBuild

/// The version.
let version = "0.1.0"
/// The commit that it was built from; "unknown" if it was not built by make.
let commit = String(cString: mg_build_commit())
