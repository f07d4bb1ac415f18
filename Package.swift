// swift-tools-version: 6.0
// Three targets, no dependencies. Kernels in C, everything else in Swift, the command line on top;
// and CBuild, one function that knows the commit. Only the program has it and no target depends on
// it: another commit compiles that file anew and links.
// No unsafeFlags: they would forbid others to depend on the MicroGPT product.
import PackageDescription

// From make. SwiftPM's own Context.gitInformation stays what it was when this file last changed.
let commit = Context.environment["MGPT_COMMIT"] ?? ""

let package = Package(
  name: "mgpt",
  products: [
    .library(name: "MicroGPT", targets: ["MicroGPT"]),
    .executable(name: "mgpt", targets: ["mgpt", "CBuild"]),
  ],
  targets: [
    .target(
      name: "CKernels",
      exclude: ["vec/vec.md"],
      cSettings: [.define("NDEBUG", .when(configuration: .release))],
      linkerSettings: [.linkedLibrary("m")]
    ),
    .target(name: "CBuild", cSettings: [.define("MGPT_COMMIT", to: "\"\(commit)\"")]),
    .target(name: "MicroGPT", dependencies: ["CKernels"]),
    .executableTarget(name: "mgpt", dependencies: ["MicroGPT"]),
    // Reference kernels in double precision and the checks against them; tests only.
    .target(
      name: "CKernelChecks",
      dependencies: ["CKernels"],
      path: "Tests/CKernelChecks"
    ),
    .testTarget(name: "CKernelsTests", dependencies: ["CKernels", "CKernelChecks"]),
    .testTarget(
      name: "MicroGPTTests",
      dependencies: ["MicroGPT", "CKernels", "CKernelChecks"]
    ),
    .testTarget(name: "mgptTests", dependencies: ["mgpt", "MicroGPT"]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c17
)
