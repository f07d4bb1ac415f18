#!/usr/bin/env python3
"""What prompt look-up drafting could gain: tokens per pass over a real text.

The draft is what followed the latest earlier occurrence of the last few tokens in the context. A
draft without randomness is accepted, in exact speculative sampling, with the probability that the
model gives it; so counting how often a text agrees with its own drafts estimates the acceptance
for a model of that text. One token per pass is plain decoding; a pass also computes the drafted
tokens, whose cost is not counted here.

Usage: lookup_drafting.py TEXT [--context N] [--least N] [--draft N]
"""

import argparse


def simulate(tokens, context, least, draft, limit=20000):
    """Tokens and drafted tokens per pass."""
    at, passes, drafted = context, 0, 0
    end = min(len(tokens) - draft - 1, context + limit)
    while at < end:
        window = tokens[at - context : at]
        proposal = propose(window, least, draft)
        agreed = 0
        while agreed < len(proposal) and proposal[agreed] == tokens[at + agreed]:
            agreed += 1
        drafted += len(proposal)
        passes += 1
        at += agreed + 1
    return (at - context) / max(passes, 1), drafted / max(passes, 1)


def propose(window, least, draft, longest=8):
    """What followed the latest earlier occurrence of the longest end of the window."""
    for n in range(longest, least - 1, -1):
        place = window[:-1].rfind(window[-n:])
        if place >= 0:
            return window[place + n : place + n + draft]
    return b""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("text")
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--least", type=int, default=3, help="tokens that must agree")
    parser.add_argument("--draft", type=int, default=4, help="tokens drafted at most")
    asked = parser.parse_args()
    with open(asked.text, "rb") as file:
        tokens = file.read()[-100_000:]
    gained, drafted = simulate(tokens, asked.context, asked.least, asked.draft)
    print(f"{gained:.3f} tokens per pass, {drafted:.2f} drafted")


if __name__ == "__main__":
    main()
