"""BERT's encoder on a CPU: the same mathematics as transformers', in fewer passes over memory.

What differs from the original, and why it is the same function:

- query, key and value are one matrix product;
- a classifier reads the first token alone, so the last layer computes that token alone;
- the softmax is normalised after the product with the values, and dropout is a bitwise "and";
- the backward pass is written out, recomputes the attention weights instead of keeping them, and
  works on blocks of heads that fit into the processor's cache.
"""
