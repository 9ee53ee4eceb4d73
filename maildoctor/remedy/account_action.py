"""Changes to who is who: groups, dpkg's overrides, and users in sasldb2."""

import os
from shlex import quote
from typing import TYPE_CHECKING

from maildoctor.remedy.action import Action, Edit, FileAction, edit
from maildoctor.remedy.system import System
from maildoctor.value import value

if TYPE_CHECKING:
    from maildoctor.remedy.path_state import PathState
    from maildoctor.remedy.site import Site
    from maildoctor.remedy.thing import Thing


@value
class StatOverride(Action):
    """Make dpkg keep a path's owner, group and mode, now and at upgrades (dpkg-statoverride(1))."""

    path: str
    owner: str
    group: str
    mode: int

    def command(self, system: System) -> str:
        """Give the two calls: an override that is there already must go first."""
        path = quote(self.path)
        return (
            f"dpkg-statoverride --remove {path} 2>/dev/null; dpkg-statoverride --update --add "
            f"{quote(self.owner)} {quote(self.group)} {self.mode:04o} {path}"
        )

    def touches(self, site: "Site") -> "tuple[Thing, ...]":
        """Touch dpkg's file and the path."""
        from maildoctor.remedy.line_file import STATOVERRIDE, Override
        from maildoctor.remedy.thing import Entry, Matches

        return (Override(self.path), Matches(f"{STATOVERRIDE}-*"), Entry(site.real(self.path)))

    def apply(self, site: "Site", edits: tuple[Edit, ...]) -> None:
        """Replace the override; dpkg-statoverride gives the path its owner and mode at once."""
        from maildoctor.remedy.account import group_id, user_id
        from maildoctor.remedy.line_file import Override
        from maildoctor.remedy.path_state import capture

        wanted = f"{self.owner} {self.group} {self.mode:o}"
        line = Override(self.path).capture(site).facts["line"]
        present = capture(site, site.real(self.path), content=False)
        access = (self.mode, user_id(site, self.owner), group_id(site, self.group))
        if line == f"{wanted} {self.path}" and present.access[:3] == access:
            return
        if line:
            site.run("dpkg-statoverride", "--remove", self.path)
        site.run("dpkg-statoverride", "--update", "--add", *wanted.split(), self.path)

    def described(self, site: "Site") -> tuple[str, ...]:
        """Say what the path was like."""
        from maildoctor.remedy.path_action import ChangeOwner

        return ChangeOwner(self.path, self.owner, self.group, self.mode).described(site)


@value
class AddUserToGroup(Action):
    """Make a user a member of a group."""

    user: str
    group: str

    def command(self, system: System) -> str:
        """Give Debian's adduser(8) call."""
        return f"adduser {quote(self.user)} {quote(self.group)}"

    def touches(self, site: "Site") -> "tuple[Thing, ...]":
        """Touch the membership."""
        from maildoctor.remedy.line_file import Membership

        return (Membership(self.user, self.group),)

    def apply(self, site: "Site", edits: tuple[Edit, ...]) -> None:
        """Call adduser, or where it is missing gpasswd(1)."""
        if site.has("adduser"):
            site.run("adduser", "--quiet", self.user, self.group)
        else:
            site.run("gpasswd", "-a", self.user, self.group)


@value
class SetSaslPassword(FileAction):
    """Give a user a password in sasldb2; the password is asked for when the action runs, never kept here."""

    user: str
    realm: str
    path: str = "/etc/sasldb2"

    @property
    def paths(self) -> tuple[str, ...]:
        """Give sasldb2's path."""
        return (self.path,)

    def command(self, system: System) -> str:
        """Give the saslpasswd2(8) call, which asks for the password."""
        return f"saslpasswd2 -c -u {quote(self.realm)} -f {quote(self.path)} {quote(self.user)}"

    def edits(self, site: "Site") -> tuple[Edit, ...]:
        """Let saslpasswd2 write into a copy, so that the file itself changes in one step, links and all."""
        import tempfile

        password = site.password(f"{self.user}@{self.realm}")
        content = site.read(self.path)
        with tempfile.TemporaryDirectory(prefix="maildoctor-") as directory:
            copy = os.path.join(directory, "sasldb2")
            if content is not None:
                with open(copy, "wb") as stream:
                    stream.write(content)
            words = ("saslpasswd2", "-p", "-c", "-u", self.realm, "-f", copy, self.user)
            site.run(*words, stdin=password.encode())
            with open(copy, "rb") as stream:
                after = stream.read()
        return edit(site, self.path, after, None if content is not None else self._access(site))

    def previewed(self, site: "Site") -> tuple[Edit, ...]:
        """Show nothing: the password is asked for later, and what is in the file is secret."""
        return ()

    def _access(self, site: "Site") -> "PathState":
        from maildoctor.remedy.account import group_id
        from maildoctor.remedy.path_state import PathState

        # smtpd reads it as postfix; a file that group may write would let it change every password.
        return PathState("file", 0o640, 0, group_id(site, "postfix"))
