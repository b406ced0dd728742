"""What every asking over the network needs, whoever is asked: an end in time, and which hosts are this machine."""

from llmplan.web.hosts import is_this_machine
from llmplan.web.watch import Watch

__all__ = ["Watch", "is_this_machine"]
