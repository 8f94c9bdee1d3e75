"""Pretrained checkpoints: found, checked, loaded, and matched with their tokenizer."""
