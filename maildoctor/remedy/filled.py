"""Directories that others fill while we act: daemons, their start-up scripts, packages."""

import hashlib
import os
import stat
from dataclasses import dataclass, replace

from maildoctor.remedy.path_state import ABSENT, PathState, capture
from maildoctor.remedy.restoring import bring_back
from maildoctor.remedy.site import Site
from maildoctor.remedy.thing import Snapshot, Thing
from maildoctor.remedy.writing import remove

ENTRIES_LIMIT = 20_000
"""Things below a directory that are looked at; a chroot holds about fifty, /etc two thousand."""
COPY_LIMIT = 4 * 1024 * 1024
"""Bytes; saslauthd's cache is smaller."""
ACCOUNTS = ("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow")
RUNTIME_ENDINGS = (".pid", ".accept", ".mmap", ".flock", ".lock")


@dataclass(frozen=True, slots=True)
class Copies(Thing):
    """What Debian's start of Postfix copies into its chroot, or what packages bring; byte for byte.

    Only what the run changed is brought back: anything else there is somebody's own. With ``purged``, what
    taking packages away has removed comes back as well.
    """

    path: str
    purged: bool = False

    def capture(self, site: Site) -> Snapshot:
        """Look at everything below the path."""
        return Snapshot({path: _small(site, path) for path in _entries(site, self.path)})

    def left(self, site: Site) -> Snapshot:
        """Look again; of the contents their digests are enough."""
        return Snapshot({path: _digest(_small(site, path)) for path in _entries(site, self.path)})

    def restore(self, site: Site, before: Snapshot, after: Snapshot | None = None) -> None:
        """Bring back what the run changed and nobody has since."""
        now = self.left(site).paths
        ours = after.paths if after else now
        changed = {
            path
            for path in ours.keys() | before.paths.keys()
            if not _digest(before.paths.get(path, ABSENT)).same(ours.get(path, ABSENT))
            and now.get(path, ABSENT).same(ours.get(path, ABSENT))
        }
        if self.purged:
            changed |= before.paths.keys() - now.keys()
            # Purging removes users again, and shadow's programs keep a copy of what was with them.
            known = [path for path in ACCOUNTS if path in before.paths]
            same = [path for path in known if now.get(path, ABSENT).same(_digest(before.paths[path]))]
            changed |= {f"{path}-" for path in same} & before.paths.keys()
        for path in sorted(changed - before.paths.keys(), reverse=True):
            remove(site, path)
        for path in sorted(changed & before.paths.keys()):
            _bring_back_if_known(site, path, before.paths[path])


@dataclass(frozen=True, slots=True)
class Runtime(Thing):
    """A directory for sockets and process ids, or one such socket.

    What is missing is made again, so a dead socket too, and what is too much goes; a file that is there
    stays, since a daemon that runs again has written its own process id into it.
    """

    path: str

    def capture(self, site: Site) -> Snapshot:
        """Look at everything below the path."""
        return Snapshot({path: _small(site, path) for path in _entries(site, self.path)})

    def restore(self, site: Site, before: Snapshot, after: Snapshot | None = None) -> None:
        """Remove what a daemon has left since, the deepest first, and bring back the rest."""
        for path in reversed(_entries(site, self.path)):
            if path not in before.paths and _is_runtime(path, capture(site, path, content=False)):
                remove(site, path)
        for path, state in before.paths.items():
            missing = capture(site, path, content=False).kind != state.kind
            if state.kind == "directory" or missing:
                _bring_back_if_known(site, path, state)


def _small(site: Site, path: str) -> PathState:
    """Look at a path; of a large file no copy is made."""
    state = capture(site, path, content=False)
    if state.kind == "file" and os.lstat(site.root + path).st_size <= COPY_LIMIT:
        return capture(site, path)
    return state


def _bring_back_if_known(site: Site, path: str, state: PathState) -> None:
    if state.kind != "file" or state.content is not None:
        bring_back(site, path, state)


def _is_runtime(path: str, state: PathState) -> bool:
    return state.kind in ("directory", "socket") or path.endswith(RUNTIME_ENDINGS)


def _digest(state: PathState) -> PathState:
    if state.content is None:
        return state
    return replace(state, content=hashlib.sha256(state.content).digest())


def _entries(site: Site, path: str) -> list[str]:
    """Give the path and all below it, a directory before what it holds; links are not followed."""
    top = site.root + path
    if not os.path.lexists(top):
        return []
    found = [path]
    if not stat.S_ISDIR(os.lstat(top).st_mode):
        return found
    for directory, names, files in os.walk(top):
        below = directory.removeprefix(site.root)
        found += [f"{below}/{name}" for name in sorted((*names, *files))]
        if len(found) > ENTRIES_LIMIT:
            return sorted(found[:ENTRIES_LIMIT])
    return sorted(found)
