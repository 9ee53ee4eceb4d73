"""maildoctor as an overlay layer: the checkout's wheel, installed for a release's own Python."""

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from functools import cache as remembered
from pathlib import Path

from tests.hosts.tree import base_tree, cache, forget_old, locked

CHECKOUT = Path(__file__).parents[2]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "maildoctor", "checks")

SCRIPT = """\
#!/usr/bin/python3
import sys

from maildoctor.__main__ import main

sys.exit(main())
"""


@remembered
def maildoctor_layer(release: str) -> Path:
    """A directory that, laid over that release's tree, has maildoctor installed."""
    files = [file for file in _source_files() if file.is_file()]
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(CHECKOUT)}\0".encode() + file.read_bytes())
    layer = cache() / f"layer-{release}-{digest.hexdigest()[:12]}"
    with locked(layer.name):
        if not layer.is_dir():
            forget_old(f"layer-{release}-*")
            _build(release, files, layer)
    return layer


def _source_files() -> list[Path]:
    found = []
    for name in SOURCES:
        path = CHECKOUT / name
        found += sorted(path.rglob("*")) if path.is_dir() else [path]
    return [file for file in found if "__pycache__" not in file.parts and file.suffix != ".pyc"]


def _build(release: str, files: list[Path], layer: Path) -> None:
    unfinished = layer.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    tree = base_tree(release)
    packages = next(tree.glob("usr/local/lib/python3.*/dist-packages")).relative_to(tree)
    with tempfile.TemporaryDirectory() as work:
        _install(_wheel(files, Path(work)), unfinished / packages)
    script = unfinished / "usr/local/bin/maildoctor"
    script.parent.mkdir()
    script.write_text(SCRIPT)
    script.chmod(0o755)
    _compile(unfinished, tree, packages)
    unfinished.rename(layer)


def _wheel(files: list[Path], work: Path) -> Path:
    """Build in a copy: setuptools leaves build directories beside the sources."""
    for file in files:
        copy = work / "source" / file.relative_to(CHECKOUT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    (work / "source" / "README.md").touch()
    isolation = ["--no-build-isolation"] if importlib.util.find_spec("wheel") else []
    _pip("wheel", "--no-deps", *isolation, "--wheel-dir", str(work), str(work / "source"))
    return next(work.glob("*.whl"))


def _install(wheel: Path, target: Path) -> None:
    _pip("install", "--no-deps", "--no-index", "--no-compile", "--target", str(target), str(wheel))
    shutil.rmtree(target / "bin", ignore_errors=True)


def _pip(*words: str) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    ran = subprocess.run([*pip, *words], capture_output=True, text=True)
    if ran.returncode != 0:
        raise RuntimeError(f"pip {words[0]} failed:\n{ran.stdout}{ran.stderr}")


def _compile(layer: Path, tree: Path, packages: Path) -> None:
    """Byte-compile with the tree's Python, for which the layer is mounted where it will be."""
    script = 'mount --bind "$1/usr/local" "$2/usr/local" && exec chroot "$2" python3 -m compileall -q "/$3"'
    words = ["unshare", "--mount", "--propagation=private", "sh", "-c", script, "sh"]
    subprocess.run([*words, str(layer), str(tree), str(packages)], check=True)
