// In what numbers a graph keeps activations and multiplies matrices.

import CKernels

/// The arithmetic of training; master weights, gradients and sums are float32 in any case.
///
/// bfloat16 is the upper half of a float32: the same range, 8 bits of precision. *Source*:
/// Micikevicius et al. 2017, arXiv 1710.03740, for the scheme; Kalamkar et al. 2019,
/// arXiv 1905.12322, for the format.
public enum Precision: String, CaseIterable, Sendable {
  case float32 = "f32"
  /// Operands of matrix products are rounded to bfloat16, what backward reads is kept in it.
  ///
  /// Products run on the CPU's bfloat16 instructions where it has them; else bfloat16 is storage
  /// and products are float32's.
  case bfloat16 = "bf16"

  /// What matrix products are told.
  var arithmetic: mg_type { self == .bfloat16 ? MG_BF16 : MG_F32 }
}
