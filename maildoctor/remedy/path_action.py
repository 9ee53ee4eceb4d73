"""Changes to what stands at a path: its name, links, owner and mode."""

from shlex import quote
from typing import TYPE_CHECKING

from maildoctor.remedy.action import Action, Edit
from maildoctor.remedy.system import System
from maildoctor.value import value

if TYPE_CHECKING:
    from maildoctor.remedy.path_state import PathState
    from maildoctor.remedy.site import Site
    from maildoctor.remedy.thing import Thing


@value
class MoveFile(Action):
    """Move a file; nothing may stand at ``target``."""

    path: str
    target: str

    def command(self, system: System) -> str:
        """Give the mv(1) call."""
        return f"mv -n {quote(self.path)} {quote(self.target)}"

    def touches(self, site: "Site") -> "tuple[Thing, ...]":
        """Touch both names."""
        from maildoctor.remedy.thing import directories_and

        here = directories_and(site, self.path, replaced=True)
        return (*directories_and(site, self.target), *here)

    def apply(self, site: "Site", edits: tuple[Edit, ...]) -> None:
        """Give the file its new name, as a copy where that lies on another file system."""
        import errno
        from dataclasses import replace

        from maildoctor.remedy.path_state import capture
        from maildoctor.remedy.trouble import RepairFailed
        from maildoctor.remedy.writing import link, remove, write

        state = capture(site, self.path)
        if state.kind != "file" or state.content is None:
            raise RepairFailed(f"{self.path}: is not a regular file")
        if site.exists(self.target):
            raise RepairFailed(f"{self.target}: is there already")
        try:
            link(site, self.path, self.target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            write(site, self.target, state.content, replace(state, links=1))
        remove(site, self.path)


@value
class HardLink(Action):
    """Make ``path`` a hard link to ``target``; a stale copy at ``path`` is replaced."""

    target: str
    path: str

    def command(self, system: System) -> str:
        """Give the ln(1) call."""
        return f"ln -f {quote(self.target)} {quote(self.path)}"

    def touches(self, site: "Site") -> "tuple[Thing, ...]":
        """Touch the new name alone: the file itself stays what it is."""
        from maildoctor.remedy.thing import directories_and

        return directories_and(site, self.path, replaced=True)

    def apply(self, site: "Site", edits: tuple[Edit, ...]) -> None:
        """Make the link in one step."""
        from maildoctor.remedy.path_state import PathState, capture
        from maildoctor.remedy.trouble import RepairFailed
        from maildoctor.remedy.writing import link, make_directory

        origin, present = (capture(site, path, content=False) for path in (self.target, self.path))
        if origin.kind != "file":
            raise RepairFailed(f"{self.target}: is not a regular file")
        if present.kind == "directory":
            raise RepairFailed(f"{self.path}: is a directory")
        for directory in site.missing_directories(self.path):
            make_directory(site, directory, PathState("directory", 0o755))
        if not present.is_inode_of(origin):
            link(site, self.target, self.path)


@value
class SymbolicLink(Action):
    """Make ``path`` a symbolic link to ``target``; nothing else may stand at ``path``."""

    target: str
    path: str

    def command(self, system: System) -> str:
        """Give the ln(1) call."""
        return f"ln -s {quote(self.target)} {quote(self.path)}"

    def touches(self, site: "Site") -> "tuple[Thing, ...]":
        """Touch the new name."""
        from maildoctor.remedy.thing import directories_and

        return directories_and(site, self.path)

    def apply(self, site: "Site", edits: tuple[Edit, ...]) -> None:
        """Make the link."""
        from maildoctor.remedy.path_state import capture
        from maildoctor.remedy.trouble import RepairFailed
        from maildoctor.remedy.writing import symbolic_link

        present = capture(site, self.path)
        if present.kind == "link" and present.target == self.target:
            return
        if present.kind != "absent":
            raise RepairFailed(f"{self.path}: is there already")
        symbolic_link(site, self.target, self.path)


@value
class MakeDirectory(Action):
    """Make a directory with this owner, group and mode; an existing one is given them."""

    path: str
    owner: str = "root"
    group: str = "root"
    mode: int = 0o755

    def command(self, system: System) -> str:
        """Give the install(1) call."""
        return (
            f"install -d -o {quote(self.owner)} -g {quote(self.group)} -m {self.mode:04o} {quote(self.path)}"
        )

    def touches(self, site: "Site") -> "tuple[Thing, ...]":
        """Touch the directory and those above it that do not exist."""
        from maildoctor.remedy.thing import directories_and

        return directories_and(site, site.real(self.path))

    def apply(self, site: "Site", edits: tuple[Edit, ...]) -> None:
        """Make it."""
        from maildoctor.remedy.path_state import PathState
        from maildoctor.remedy.writing import make_directory

        path = site.real(self.path)
        for directory in site.missing_directories(path):
            make_directory(site, directory, PathState("directory", 0o755))
        make_directory(site, path, access(site, "directory", self.owner, self.group, self.mode))

    def described(self, site: "Site") -> tuple[str, ...]:
        """Say what the directory was like."""
        return access_lines(site, self.path, self.owner, self.group, self.mode)


@value
class ChangeOwner(Action):
    """Give a path another owner, group and mode, all three together; its ACL goes."""

    path: str
    owner: str
    group: str
    mode: int

    def command(self, system: System) -> str:
        """Give chown(1) and chmod(1); in this order, since chown clears special bits."""
        path = quote(self.path)
        return f"chown {quote(f'{self.owner}:{self.group}')} {path} && chmod {self.mode:04o} {path}"

    def touches(self, site: "Site") -> "tuple[Thing, ...]":
        """Touch the path."""
        from maildoctor.remedy.thing import Entry

        return (Entry(site.real(self.path)),)

    def apply(self, site: "Site", edits: tuple[Edit, ...]) -> None:
        """Change it, whatever it is but a link."""
        from dataclasses import replace

        from maildoctor.remedy.path_state import capture
        from maildoctor.remedy.trouble import RepairFailed
        from maildoctor.remedy.writing import change_access

        path = site.real(self.path)
        present = capture(site, path, content=False)
        if present.kind == "absent":
            raise RepairFailed(f"{self.path}: no such file or directory")
        wanted = access(site, present.kind, self.owner, self.group, self.mode)
        kept = tuple(each for each in present.attributes if each[0] != "system.posix_acl_access")
        change_access(site, path, replace(wanted, attributes=kept))

    def described(self, site: "Site") -> tuple[str, ...]:
        """Say what the path was like."""
        return access_lines(site, self.path, self.owner, self.group, self.mode)


def access(site: "Site", kind: str, owner: str, group: str, mode: int) -> "PathState":
    """Give owner, group and mode with the host's own numbers. Raises RepairFailed for unknown names."""
    from maildoctor.remedy.account import group_id, user_id
    from maildoctor.remedy.path_state import PathState

    return PathState(kind, mode, user_id(site, owner), group_id(site, group))


def access_lines(site: "Site", path: str, owner: str, group: str, mode: int) -> tuple[str, ...]:
    """Say what owner, group and mode a path has, and what it will have."""
    from maildoctor.remedy.account import group_name, user_name
    from maildoctor.remedy.path_state import capture

    present = capture(site, site.real(path), content=False)
    if present.kind == "absent":
        return ()
    before = f"{present.mode:04o} {user_name(site, present.uid)}:{group_name(site, present.gid)}"
    return (f"{path}: {before} -> {mode:04o} {owner}:{group}",)
