"""Asks maildoctor on a host, and repairs as it says."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema

from tests.hosts.arrangements import Arrangement
from tests.hosts.machine import Host, wait_until

RELEASES = {"bookworm": 12, "trixie": 13}
CANNOT_RUN_HERE = ("apt-get", "saslpasswd2")
"""Commands that need a network, or somebody who types a password."""


@dataclass(frozen=True)
class Answer:
    """What ``maildoctor check`` said: the JSON document and the exit status."""

    document: dict[str, Any]
    status: int

    @property
    def verdict(self) -> str:
        """The verdict's word."""
        return str(self.document["verdict"])

    @property
    def causes(self) -> list[str]:
        """The codes of the root causes, the first one first."""
        return [cause["code"] for cause in self.document["root_causes"]]

    @property
    def informed(self) -> list[str]:
        """The codes of what is only worth knowing."""
        return [each["code"] for each in self.document["information"]]

    def finding(self, code: str) -> dict[str, Any]:
        """The finding of that code among causes and information."""
        found = [*self.document["root_causes"], *self.document["information"]]
        return next(each for each in found if each["code"] == code)

    def __repr__(self) -> str:
        """What a failing test should show."""
        shown = {name: value for name, value in self.document.items() if name != "results"}
        odd = [each for each in self.document["results"] if each["status"] in ("skipped", "crashed")]
        return json.dumps(shown, indent=1) + "\n" + "\n".join(map(str, odd))


def ask(host: Host, *words: str) -> Answer:
    """Run ``maildoctor check`` on the host; its JSON must match the published schema."""
    ran = host.run(["maildoctor", "check", "--format", "json", *words], check=False, timeout=30)
    assert ran.status in (0, 1, 3), ran.stderr
    document = json.loads(ran.stdout)
    jsonschema.validate(document, _schema())
    return Answer(document, ran.status)


def mend(host: Host, finding: dict[str, Any]) -> bool:
    """Type the commands that the finding prints; False where they cannot be typed here."""
    commands = finding["remedy"]["commands"]
    if not commands or any(word in command for command in commands for word in CANNOT_RUN_HERE):
        return False
    type_in(host, "\n".join(commands))
    return True


def type_in(host: Host, script: str) -> None:
    """Run a script as an admin would, who types slowly: systemd refuses a fifth start within ten seconds."""
    host.run(["systemctl", "reset-failed"])
    host.sh(script)


def wait_for_login(host: Host, arrangement: Arrangement) -> None:
    """Wait until a real login succeeds and may send."""
    wait_until(lambda: arrangement.login(host).works, "a login to succeed", timeout=20)


@cache
def _schema() -> Any:
    return json.loads(files("maildoctor.report").joinpath("check.schema.json").read_text())
