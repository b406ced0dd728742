"""Flag groups, parsers, and the precedence of flag, environment and default."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from llmplan.cli import _options, _parse
from llmplan.cli._flags import takes_flags
from llmplan.cli._options import CatalogFlags, LoadFlags, OutputFlags, ReplicaFlags
from llmplan.cli._question_flags import HardwareFlags, LimitFlags, PromiseFlags, TrafficFlags
from llmplan.errors import UsageError
from llmplan.spec import price

GROUPS = (CatalogFlags, LoadFlags, OutputFlags, ReplicaFlags, HardwareFlags, LimitFlags, PromiseFlags, TrafficFlags)


@dataclass(frozen=True, slots=True, kw_only=True)
class Colours:
    red: Annotated[int, typer.Option("--red", envvar="LLMPLAN_TEST_RED", parser=_parse.integer("--red"))] = 1
    blue: Annotated[bool, typer.Option("--blue")] = False


def call(argv: list[str]) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    @takes_flags
    def command(name: Annotated[str, typer.Argument()], *, colours: Colours, size: int = 3) -> int:
        """Say hello."""
        seen.update(name=name, colours=colours, size=size)
        return 0

    app = typer.Typer(rich_markup_mode=None)
    app.command()(command)
    typer.main.get_command(app).main(argv, standalone_mode=False)
    return seen


def test_a_group_becomes_options() -> None:
    assert call(["x", "--red", "5", "--blue", "--size", "4"]) == {
        "name": "x",
        "colours": Colours(red=5, blue=True),
        "size": 4,
    }


def test_flag_over_environment_over_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(["x"])["colours"].red == 1
    monkeypatch.setenv("LLMPLAN_TEST_RED", "7")
    assert call(["x"])["colours"].red == 7
    assert call(["x", "--red", "9"])["colours"].red == 9


@pytest.mark.parametrize("group", GROUPS)
def test_every_flag_has_a_default_and_help(group: type[Any]) -> None:
    from llmplan.cli._flags import field_types

    group()
    for name, (_, option) in field_types(group).items():
        assert option.help, name
    assert all(field.default is not dataclasses.MISSING for field in dataclasses.fields(group))


def test_replica_flags_are_hashable() -> None:
    assert hash(ReplicaFlags(gpu="a10")) == hash(ReplicaFlags(gpu="a10"))


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_number_is_within_bounds_or_refused(value: float) -> None:
    parse = _parse.number("--rate", above=0, at_most=1e6)
    if 0 < value <= 1e6:
        assert parse(repr(value)) == value
    else:
        with pytest.raises(UsageError, match="--rate"):
            parse(repr(value))


@given(st.integers(min_value=1, max_value=_parse.MAX_TOKENS))
def test_integers_round_trip(value: int) -> None:
    assert _parse.integer("--isl")(str(value)) == value


@given(st.integers(1, 1000), st.integers(1, 64))
def test_hardware_round_trips(nodes: int, gpus: int) -> None:
    group = _parse.node_group(f"{nodes}x{gpus}xh100-sxm-80gb")
    assert (group.nodes, group.gpus_per_node, group.gpu_id) == (nodes, gpus, "h100-sxm-80gb")


def test_hardware_with_an_x_in_its_name() -> None:
    group = _parse.node_group("2x1xrtx-4090-24gb")
    assert (group.nodes, group.gpus_per_node, group.gpu_id) == (2, 1, "rtx-4090-24gb")


def test_the_terms_are_those_of_the_prices() -> None:
    assert _options.TERMS == price.TERMS
