"""One typed schema per notebook: the only source of parameter names, types, defaults and help.

Import the model that you need from its own module, so that a notebook's cache key depends on its
own parameters alone: `nbutils.params.data_prep`, `nbutils.params.fine_tune`,
`nbutils.params.error_analysis`, `nbutils.params.benchmark`, and
`nbutils.params.study` for the file that holds them.
"""
