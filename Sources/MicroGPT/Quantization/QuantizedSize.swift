// The size of weights in another format, known from the configuration alone.

extension QuantizationTarget {
  /// Bytes of the weights of a model of this configuration: values and scales as `Quantizer` writes
  /// them, the rest in float32; the header of the file is not counted.
  public func byteCount(of configuration: ModelConfiguration) -> Int {
    let header = QuantizationHeader(format: format, method: method)
    return ParameterTable(configuration).parameters.reduce(0) { sum, parameter in
      guard case .quantized(let format)? = header.elementType(of: parameter) else {
        return sum + 4 * parameter.shape.count
      }
      return sum + format.byteCount(rows: parameter.shape[0], columns: parameter.shape[1])
        + (parameter.hasOneSidedInput ? 4 * parameter.shape[0] : 0)
    }
  }
}
