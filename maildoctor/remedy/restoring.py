"""Bringing one path back to what it was, from whatever it is now."""

from collections.abc import Iterable

from maildoctor.remedy.path_state import PathState, capture
from maildoctor.remedy.site import Place, Site
from maildoctor.remedy.trouble import RepairFailed
from maildoctor.remedy.writing import (
    change_access,
    dead_socket,
    link,
    make_directory,
    overwrite,
    remove,
    replace,
    symbolic_link,
)

KEPT = "/var/lib/maildoctor/kept"
"""Where files that have other names live on after one of their names was given to another file."""


def bring_back(site: Site, path: str, before: PathState) -> None:
    """Make ``path`` what it was: nothing, a file, a directory, a link or a socket.

    Raises OSError, and RepairFailed where something of another kind cannot be moved out of the way.
    """
    present = capture(site, path)
    if before.kind == "other":
        if not present.same(before):
            raise RepairFailed(f"{path}: was neither file nor directory, link or socket; it stays as it is")
        return
    if present.kind != before.kind and present.kind != "absent" and _must_go(present, before):
        remove(site, path)
    if before.kind == "file":
        _file(site, path, present, before)
    elif before.kind == "directory":
        if present.kind != "directory" or present.access != before.access:
            make_directory(site, path, before)
    elif before.kind == "link" and not present.same(before):
        symbolic_link(site, before.target, path, before)
    elif before.kind == "socket":
        _socket(site, path, present, before)


def _must_go(present: PathState, before: PathState) -> bool:
    # A rename replaces everything but a directory; nothing replaces something by a directory or by nothing.
    return before.kind in ("absent", "directory") or present.kind == "directory"


def _file(site: Site, path: str, present: PathState, before: PathState) -> None:
    assert before.content is not None
    same_file = present.kind == "file" and present.is_inode_of(before)
    if before.links > 1 and not same_file and _join(site, path, before):
        present, same_file = capture(site, path), True
    if present.content == before.content and (same_file or before.links == 1 == present.links):
        if (present.access, present.mtime) != (before.access, before.mtime):
            change_access(site, path, before)
        return
    with site.place(path, follow=False) as place:
        if same_file and before.links > 1:
            overwrite(place, before.content, before)
        else:
            _replace(place, present, before)


def _replace(place: Place, present: PathState, before: PathState) -> None:
    assert before.content is not None
    try:
        replace(place, before.content, before)
    except OSError:
        # A full disk has no room for a second copy, but the present file's own blocks are there.
        if present.kind != "file" or present.links > 1:
            raise
        overwrite(place, before.content, before)


def _join(site: Site, path: str, before: PathState) -> bool:
    """Give the path the file that it was a name of, if that lives on; tell whether it did."""
    kept = kept_name(before)
    if not capture(site, kept, content=False).is_inode_of(before):
        return False
    link(site, kept, path)
    return True


def _socket(site: Site, path: str, present: PathState, before: PathState) -> None:
    if present.kind != "socket":
        dead_socket(site, path, before)
    elif present.access != before.access:
        change_access(site, path, before)


def kept_name(state: PathState) -> str:
    """Give the name under which a file of several names is kept alive."""
    return f"{KEPT}/{state.device}-{state.inode}"


def keep(site: Site, path: str, state: PathState) -> None:
    """Keep a file alive that has other names than ``path``, which another file is about to get.

    Raises RepairFailed where the journal lies on another file system.
    """
    name = kept_name(state)
    if state.kind != "file" or state.links < 2 or not capture(site, path, content=False).is_inode_of(state):
        return
    if capture(site, name, content=False).is_inode_of(state):
        return
    if not site.exists(KEPT):
        make_directory(site, KEPT, PathState("directory", 0o700))
    try:
        link(site, path, name)
    except OSError as error:
        reason = "has other hard links, which could not be brought back"
        raise RepairFailed(f"{path}: {reason} ({error.strerror})") from error


def forget_kept(site: Site, states: Iterable[PathState]) -> None:
    """Let go of the files that ``keep`` kept alive."""
    for state in states:
        if state.kind == "file" and state.links > 1:
            remove(site, kept_name(state))
