"""Every rule, in the order in which its findings are told: what it is, how it is set, what it carries."""

from llmplan.plan.served import capacity, settings, traffic
from llmplan.plan.served.drift import Rule

RULES: tuple[Rule, ...] = (*settings.RULES, *capacity.RULES, *traffic.RULES)
