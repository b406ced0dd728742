"""The series of each engine: one file each, in a fixed order."""

from llmplan.measurements.served.engines import llama_cpp, sglang, tensorrt_llm, vllm
from llmplan.measurements.served.series import Series

ALL: tuple[Series, ...] = (vllm.SERIES, sglang.SERIES, tensorrt_llm.SERIES, llama_cpp.SERIES)
