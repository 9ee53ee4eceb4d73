"""Recorded hosts, made anew below a directory from the layers in fixtures/; see fixtures/README.md."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FIXTURES = Path(__file__).parents[2] / "fixtures"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to users of the tree, which needs root")


def grow(root: Path, *layers: str) -> Path:
    """Lay ``layers`` (``debian-11/common``) over one another below ``root``."""
    root.chmod(0o755)
    for layer in layers:
        shutil.copytree(FIXTURES / layer / "files", root, dirs_exist_ok=True)
    for directory in (each for each in root.rglob("*") if each.is_dir()):
        directory.chmod(0o755)
    for layer in layers:
        for line in (FIXTURES / layer / "manifest").read_text().splitlines():
            _make(root, line.split())
    return root


def _make(root: Path, words: list[str]) -> None:
    """Make what one line of a manifest says."""
    if words[1] in ("->", "=>"):
        path = _below(root, words[0])
        path.symlink_to(words[2]) if words[1] == "->" else path.hardlink_to(root / words[2].lstrip("/"))
        return
    path = _below(root, words[2])
    kind = words[3] if len(words) > 3 else ""
    if words[2].endswith("/"):
        path.mkdir(exist_ok=True)
    elif kind == "socket":
        _bind(path)
    elif kind == "empty":
        path.touch()
    user, group = words[1].split(":")
    os.chown(path, _number(root, "passwd", user), _number(root, "group", group))
    path.chmod(int(words[0], 8))


def _bind(path: Path) -> None:
    """Make a socket; the path may be too long for bind(2), so it is bound as a relative one."""
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(path.parent)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.fchdir(here)
        os.close(here)


def _below(root: Path, path: str) -> Path:
    place = root / path.strip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _number(root: Path, database: str, name: str) -> int:
    rows = (line.split(":") for line in (root / "etc" / database).read_text().splitlines())
    return next(int(row[2]) for row in rows if row[0] == name)


def change(root: Path, script: str) -> None:
    """Run shell lines in the tree's top directory; ``$postfix`` and ``$sasl`` are its groups' numbers."""
    groups = {name: str(_number(root, "group", name)) for name in ("postfix", "sasl")}
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **groups}
    subprocess.run(["sh", "-euc", script], cwd=root, env=environment, check=True)


def check(root: Path, *options: str, seconds: float = 20) -> tuple[int, dict[str, Any], str]:
    """Ask ``maildoctor check`` about a tree, as an admin would; gives exit status, JSON, and stderr."""
    words = [sys.executable, "-m", "maildoctor", "check", "--root", str(root), "--format", "json", *options]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=seconds)
    assert "Traceback" not in ran.stdout + ran.stderr, ran.stderr
    return ran.returncode, json.loads(ran.stdout) if ran.stdout else {}, ran.stderr
