"""The wheel carries the catalogue and runs where nothing of the repository is."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

REPO = Path(__file__).parent.parent


def test_wheel_runs_elsewhere(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(REPO)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("llmplan-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "llmplan/profiles/gpus/h100-sxm-80gb.yaml" in names
    assert "llmplan/py.typed" in names
    packaged = {name.removeprefix("llmplan/") for name in names if name.endswith(".yaml")}
    here = {str(path.relative_to(REPO)) for path in (REPO / "profiles").rglob("*.yaml")}
    assert packaged == here

    home = tmp_path / "elsewhere"
    venv.create(home / "venv", system_site_packages=False, with_pip=False, symlinks=True)
    site = next((home / "venv" / "lib").glob("python*")) / "site-packages"
    zipfile.ZipFile(wheel).extractall(site)
    (site / "dependencies.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONNOUSERSITE": "1"}
    answer = subprocess.run(
        [str(home / "venv" / "bin" / "python"), "-c",
         "import llmplan, sys; from llmplan.cli import main; print(llmplan.__file__); sys.exit(main(sys.argv[1:]))",
         "catalog", "show", "h100-sxm-80gb", "--json"],
        cwd=home, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert str(site) in answer.stdout.splitlines()[0]
    assert "h100-sxm-80gb" in answer.stdout
