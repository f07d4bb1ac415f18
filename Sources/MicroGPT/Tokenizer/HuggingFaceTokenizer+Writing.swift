// A tokenizer.json that Hugging Face's `tokenizers` reads and that gives the same ids there.

extension BytePairVocabulary {
  /// The content of a tokenizer.json.
  public var huggingFaceJSON: JSON {
    let byteLevel: JSON = [
      "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    ]
    let added = specials.map { special -> JSON in
      [
        "id": .integer(Int(special.id)), "content": .string(special.text), "single_word": false,
        "lstrip": false, "rstrip": false, "normalized": false, "special": true,
      ]
    }
    return [
      "version": "1.0", "truncation": nil, "padding": nil, "added_tokens": .array(added),
      "normalizer": nil, "pre_tokenizer": preTokenizerJSON(byteLevel), "post_processor": nil,
      "decoder": byteLevel,
      "model": [
        "type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil,
        "end_of_word_suffix": nil, "fuse_unk": false, "byte_fallback": false,
        "ignore_merges": .bool(ignoresMerges), "vocab": vocabularyJSON, "merges": mergesJSON,
      ],
    ]
  }

  private func preTokenizerJSON(_ byteLevel: JSON) -> JSON {
    guard pattern != .gpt2,
      let regex = HuggingFaceFile.patterns.first(where: { $0.pattern == pattern })?.regex
    else { return byteLevel }
    return [
      "type": "Sequence",
      "pretokenizers": [
        [
          "type": "Split", "pattern": ["Regex": .string(regex)], "behavior": "Isolated",
          "invert": false,
        ],
        [
          "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
          "use_regex": false,
        ],
      ],
    ]
  }

  /// Tokens in GPT-2's characters with their ids, special tokens as they are.
  var vocabularyJSON: JSON {
    var members: [JSON.Member] = []
    members.reserveCapacity(tokens.count)
    for (id, bytes) in tokens.enumerated() where !bytes.isEmpty {
      members.append(JSON.Member(ByteAlphabet.text(of: bytes), .integer(id)))
    }
    for special in specials {
      members.append(JSON.Member(special.text, .integer(Int(special.id))))
    }
    return .object(members)
  }

  /// Pairs of tokens in GPT-2's characters.
  var mergesJSON: JSON {
    .array(merges.map { [.string(text(of: $0.left)), .string(text(of: $0.right))] })
  }
}
