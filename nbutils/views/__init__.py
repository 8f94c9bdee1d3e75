"""What the sections of the error analysis show: findings as tables, cards and notes."""
