// The figures of inference for other programs.

extension InferenceBenchmark.Result {
  /// The object that `mgpt bench generate --json` prints for each format.
  public var json: JSON {
    [
      "load_ms": .number(loadSeconds.median * 1e3),
      "first_token_ms": .number(firstTokenSeconds * 1e3),
      "prompt_tokens": .integer(promptTokens), "prefill_ms": .number(prefillSeconds.median * 1e3),
      "prefill_tokens_per_second": .number(prefillTokensPerSecond),
      "decode_after": .integer(decodeAfter), "decoded_tokens": .integer(decodedTokens),
      "decode_ms": .number(decodeSeconds.median * 1e3),
      "decode_ms_min": .number(decodeSeconds.minimum * 1e3),
      "decode_ms_max": .number(decodeSeconds.maximum * 1e3),
      "runs": .integer(decodeSeconds.count),
      "decode_tokens_per_second": .number(decodeTokensPerSecond),
      "sequences": .integer(sequences), "weight_bytes_per_pass": .integer(weightBytesPerPass),
      "cache_bytes_per_token": .integer(cacheBytesPerToken),
      "bytes_per_token": .integer(bytesPerToken),
      "read_gb_per_second": .number(readings.median / 1e9),
      "share_of_bandwidth": .number(shares.median),
      "file_bytes": .integer(fileByteCount), "cache_bytes": .integer(cacheByteCount),
      "peak_rss_bytes": .integer(peakResidentByteCount), "base_rss_bytes": .integer(baseByteCount),
      "parameters": .integer(parameterCount), "threads": .integer(threads),
      "back_end": .string(backEnd),
    ]
  }
}
