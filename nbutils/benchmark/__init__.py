"""How fast training and prediction are, measured beside transformers' own and the machine's limit.

Each variant lives in a process of its own, so that none gains from another's memory or threads, and
one works at a time: A B C, A B C, and so on. What is compared was measured minutes apart at most.
"""
