"""Fine-tuning: the loop, what it is made of, and the checks around it."""
