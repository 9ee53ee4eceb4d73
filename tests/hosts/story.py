"""The story of a repair: mended by ``check --fix``, a real login works, nothing more to do, and all undone.

A test tells it of a fault that it has broken; how far it got is kept for the table that ``--table`` writes.
"""

from collections.abc import Callable
from typing import Any

from tests.hosts import smtp
from tests.hosts.arrangements import Arrangement
from tests.hosts.doctor import ask
from tests.hosts.machine import Host, wait_until
from tests.hosts.repair import differences, fix, inventory, undo

STEPS = ("broken", "named", "mended", "login", "second check", "second fix", "undone")
PASSWORDS = "correct horse\n" * 3

Keep = Callable[[str, object], None]


class Story:
    """How far one fault on one host has come; ``keep`` is pytest's record_property."""

    def __init__(self, name: str, release: str, keep: Keep) -> None:
        self._keep = keep
        keep("fault", name)
        keep("release", release)

    def reached(self, step: str, how: str = "yes") -> None:
        """Keep that a step is done."""
        assert step in STEPS
        self._keep(step, how)

    def tell(self, host: Host, arrangement: Arrangement, findings: list[dict[str, Any]]) -> bool:
        """Mend what ``check`` found, and take it back; False where only a person can mend it."""
        if any(each["remedy"]["safety"] == "manual" for each in findings):
            self.reached("mended", "by hand")
            return False
        before = inventory(host)
        accepted = [
            f"--accept={each['code']}={_option(host, each)}"
            for each in findings
            if each["remedy"]["safety"] == "choice" or each["severity"] == "info"
        ]
        done = fix(host, "--yes", *accepted, input=PASSWORDS)
        assert {each["code"] for each in findings} <= set(done["mended"]), done
        assert (done["taken_back"], done["problems"]) == ([], []), done
        self.reached("mended", "by choice" if accepted else "yes")
        if arrangement.port:
            within_tls = any(each["option"] == "within-tls" for each in done["plan"])
            wait_until(lambda: works(host, arrangement, within_tls=within_tls), "a login", timeout=20)
        self.reached("login", "yes" if arrangement.port else "nobody's")
        after = ask(host)
        assert after.causes == [], after
        known = {each["code"] for each in findings if each["severity"] == "info"}
        assert not known & set(after.informed), after
        assert after.verdict == ("healthy" if arrangement.port else "off"), after
        self.reached("second check")
        again = fix(host, "--yes", *accepted)
        assert again["status"] == "nothing-to-do", again
        self.reached("second fix")
        undo(host)
        self._assert_undone(differences(before, inventory(host)), done)
        return True

    def _assert_undone(self, left: list[str], done: dict[str, Any]) -> None:
        """All must be as before, but for what the plan said that it could not bring back."""
        said = [line for step in done["steps"] for line in step["changes"] if "undo does not" in line]
        mounts = [line.split(".mount")[0].replace("-", "/") for line in said if ".mount" in line]
        left = [line for line in left if not line.startswith(tuple(f"/{mount}/" for mount in mounts))]
        assert not left, "\n".join(left)
        self.reached("undone", "but for what it says" if said else "yes")


def _option(host: Host, finding: dict[str, Any]) -> str:
    """Give the first way that can be gone here: the hosts' own archive does not have every package."""
    archive = host.run(["ls", "/srv/packages"]).stdout
    for option in finding["remedy"]["options"]:
        installed = [command.split()[-1] for command in option["commands"] if "apt-get" in command]
        if all(f"{name}_" in archive for name in installed):
            return str(option["name"])
    raise AssertionError(f"no way to mend {finding['code']} here")


def works(host: Host, arrangement: Arrangement, *, within_tls: bool) -> bool:
    """Log in, within TLS where the repair left that alone."""
    if within_tls and arrangement.tls == "none":
        return smtp.login(host, port=arrangement.port or 587, tls="starttls").works
    return arrangement.login(host).works


def table(stories: list[dict[str, str]]) -> str:
    """Give, as Markdown, a line for each fault and release, and what it all comes to."""
    rows = [[story["fault"], story["release"], *(story.get(s, "NO") for s in STEPS)] for story in stories]
    rows.sort()
    head = ["fault", "release", *STEPS]
    lines = [" | ".join(cells) for cells in (head, ["---"] * len(head), *rows)]
    curable = [story for story in stories if story.get("mended") != "by hand"]
    whole = [story for story in curable if "undone" in story]
    total = f"{len(stories)} faults, {len(curable)} curable, {len(whole)} of them to the end"
    return "\n".join([total, "", *(f"| {line} |" for line in lines), ""])
