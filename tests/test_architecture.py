"""The rules of the house, checked: registries are complete, formulae are documented, no name is special."""

import ast
import inspect
import tomllib
from collections.abc import Iterator
from pathlib import Path

import llmplan
from llmplan.plan.deployment import STRATEGY_IDS
from llmplan.strategies import STRATEGIES

SOURCE = Path(llmplan.__file__).parent
REPO = SOURCE.parent.parent
FORMULA_PACKAGES = ("memory", "perf", "simulate", "pricing")


def modules(*packages: str) -> Iterator[Path]:
    for package in packages:
        yield from sorted((SOURCE / package).rglob("*.py"))


def test_every_strategy_is_registered_documented_and_tested() -> None:
    files = {path.stem for path in modules("strategies") if not path.stem.startswith("_")}
    assert files == set(STRATEGY_IDS) == {strategy.id for strategy in STRATEGIES}
    assert tuple(strategy.id for strategy in STRATEGIES) == STRATEGY_IDS
    for strategy_id in STRATEGY_IDS:
        assert (REPO / "docs" / "strategies" / f"{strategy_id}.md").is_file(), strategy_id
        assert (REPO / "tests" / "strategies" / f"test_strategy_{strategy_id}.py").is_file(), strategy_id


def test_every_strategy_is_bound_by_the_independence_contract() -> None:
    with (REPO / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    (bound,) = (each["modules"] for each in contracts if each["type"] == "independence")
    assert set(bound) == {f"llmplan.strategies.{strategy_id}" for strategy_id in STRATEGY_IDS}


def test_every_emit_target_is_registered_documented_and_tested() -> None:
    from llmplan.emit import TARGETS

    page = (REPO / "docs" / "reference" / "targets.md").read_text(encoding="utf-8")
    tests = "".join(path.read_text(encoding="utf-8") for path in (REPO / "tests" / "emit").rglob("*.py"))
    for target in TARGETS:
        assert f"`{target.id}`" in page, target.id
        assert f'"{target.id}"' in tests, target.id


def test_every_module_says_what_it_is_for() -> None:
    missing = [
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not missing


def test_public_functions_of_the_core_say_what_they_do() -> None:
    missing = []
    for path in modules("spec", "plan", "planner", "strategies", "checks", *FORMULA_PACKAGES):
        for node in ast.parse(path.read_text()).body:
            public = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
            if public and not ast.get_docstring(node):
                missing.append(f"{path.relative_to(SOURCE)}:{node.name}")
    assert not missing


def test_no_file_or_function_grows_out_of_sight() -> None:
    """Files aim under 250 lines and functions under 40; nothing may pass 420 and 70."""
    long = []
    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        if text.count("\n") > 420:
            long.append(str(path.relative_to(SOURCE)))
        functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef))
        long += [f"{path.relative_to(SOURCE)}:{node.name}" for node in functions if body_lines(node) > 70]
    assert not long


def body_lines(node: ast.FunctionDef) -> int:
    start = node.body[1].lineno if ast.get_docstring(node) and len(node.body) > 1 else node.body[0].lineno
    return (node.end_lineno or start) - start + 1


def test_no_catalogue_entry_is_named_in_code() -> None:
    """The core knows kinds, never a particular model, GPU or seller."""
    named = []
    data = REPO / "profiles"
    ids = {path.stem for kind in ("gpus", "models", "prices") for path in (data / kind).glob("*.yaml")}
    for path in modules("memory", "perf", "pricing", "simulate", "strategies", "planner", "checks"):
        tree = ast.parse(path.read_text())
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if text.lower() in ids and id(node) not in docs:
                named.append(f"{path.relative_to(SOURCE)}:{getattr(node, 'lineno', 0)} {text!r}")
    assert not named


def test_frozen_values_everywhere_in_spec_and_plan() -> None:
    import dataclasses
    import importlib
    import pkgutil

    for package in ("spec", "plan"):
        root = importlib.import_module(f"llmplan.{package}")
        for info in pkgutil.iter_modules(root.__path__):
            module = importlib.import_module(f"{root.__name__}.{info.name}")
            for _, member in inspect.getmembers(module, inspect.isclass):
                if member.__module__ == module.__name__ and dataclasses.is_dataclass(member):
                    assert member.__dataclass_params__.frozen, member  # type: ignore[attr-defined]
