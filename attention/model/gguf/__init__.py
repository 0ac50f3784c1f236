"""Models in GGUF files: the header checked before a library reads it, then tokenizer, configuration and weights.

Quantized weights are always brought to plain numbers. What a file says and the readers would leave out is refused.
"""
