"""Labelled text: where it comes from, what is wrong with it, and how it is split.

In the order of the notebook: `sources` decides what a name means, `readers` and `bundled` read it,
`loading` turns it into one frame, `duplicates` finds copies, `splitting` divides, `tokens` and
`baseline` measure, `card` sums up.
"""
