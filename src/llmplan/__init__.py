"""llmplan: which way to serve a language model, what it needs, how fast it is and what it costs."""

__version__ = "0.1.0"
