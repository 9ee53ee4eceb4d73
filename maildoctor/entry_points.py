"""Which packages registered under an entry-point group.

The same answer as ``importlib.metadata.entry_points`` gives (a test holds the two equal); that module's
imports alone would take a tenth of the time in which ``maildoctor check`` has to answer. The format:
https://packaging.python.org/en/latest/specifications/entry-points/
"""

import os
import sys
from collections.abc import Iterator


def packages(group: str) -> list[str]:
    """Give the packages that the installed distributions name under ``group``, sorted, each once."""
    found: set[str] = set()
    for directory in sys.path:
        for text in _declarations(directory or "."):
            found.update(_values(text, group))
    return sorted(found)


def _declarations(directory: str) -> Iterator[str]:
    try:
        names = os.listdir(directory)
    except OSError:
        return
    for name in names:
        if name.endswith((".dist-info", ".egg-info")):
            try:
                with open(os.path.join(directory, name, "entry_points.txt"), encoding="utf-8") as file:
                    yield file.read()
            except (OSError, UnicodeDecodeError):
                continue


def _values(text: str, group: str) -> Iterator[str]:
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[]").strip()
        elif section == group and "=" in line and not line.startswith(("#", ";")):
            yield line.partition("=")[2].partition(":")[0].partition("[")[0].strip()
