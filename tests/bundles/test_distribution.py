"""What is uploaded to a package index."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the sources, with a small built web UI."""
    copy = tmp_path / "source"
    copy.mkdir()
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(
        ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__", "ui_dist", "*.so")
    )
    built = copy / "src" / "pinwheel" / "ui_dist"
    (built / "assets").mkdir(parents=True)
    (built / "main.js").write_text("import './assets/page-1.js';")
    (built / "icon.svg").write_text("<svg/>")
    (built / "assets" / "page-1.js").write_text("1;")
    (built / "assets" / "page-0.js").write_text("0; // of a former build")
    (built / "manifest.json").write_text('{"a": {"file": "main.js"}, "b": {"file": "assets/page-1.js"}}')
    return copy


def build(source: Path, target: str = "wheel") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(source / "dist")],
        cwd=source,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )


def test_the_wheel_holds_the_built_web_ui_and_nothing_of_former_builds(source: Path) -> None:
    done = build(source)
    assert done.returncode == 0, done.stdout
    (wheel,) = (source / "dist").glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if "/ui_dist/" in name}
    files = {"main.js", "manifest.json", "icon.svg", "assets/page-1.js"}
    assert names == {f"pinwheel/ui_dist/{name}" for name in files}
    assert "pinwheel/api/not_built.js" in zipfile.ZipFile(wheel).namelist()


def test_building_without_the_web_ui_fails_and_says_how_to_build_it(source: Path) -> None:
    shutil.rmtree(source / "src" / "pinwheel" / "ui_dist")
    done = build(source)
    assert done.returncode != 0
    assert "there is no built web UI" in done.stdout and "scripts/bootstrap" in done.stdout
    assert not list(source.glob("dist/*.whl"))


def test_building_with_half_of_the_web_ui_fails(source: Path) -> None:
    (source / "src" / "pinwheel" / "ui_dist" / "assets" / "page-1.js").unlink()
    done = build(source)
    assert done.returncode != 0
    assert "assets/page-1.js" in done.stdout


def test_a_wheel_made_from_the_source_distribution_holds_the_web_ui_too(source: Path, tmp_path: Path) -> None:
    assert build(source, "sdist").returncode == 0
    (archive,) = (source / "dist").glob("*.tar.gz")
    (tmp_path / "unpacked").mkdir()
    subprocess.run(["tar", "-xzf", archive, "-C", tmp_path / "unpacked"], check=True)
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    done = build(unpacked)
    assert done.returncode == 0, done.stdout
    (wheel,) = (unpacked / "dist").glob("*.whl")
    assert "pinwheel/ui_dist/assets/page-1.js" in zipfile.ZipFile(wheel).namelist()
