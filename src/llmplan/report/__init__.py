"""Text from values: views turn a plan, a budget or an estimate into blocks, renderers draw blocks.

A view decides *what* is said and in which order; `table` and `markdown` decide how it looks. So the two formats
cannot disagree, and adding one is one module. JSON does not pass through blocks: its shapes are a contract.
"""
