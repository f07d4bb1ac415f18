// `mgpt bench`.

// `mgpt bench`.

import MicroGPT

func runBench(_ options: BenchOptions) throws -> Int32 { 0 }
