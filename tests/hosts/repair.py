"""Repairs a host with maildoctor and takes it back; looks at all that must be as before, byte for byte."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema

from tests.hosts.machine import Host

INVENTORY = r"""
import hashlib, json, os, stat
tops = ["/etc", "/var/spool/postfix", "/run/saslauthd", "/var/lib/dpkg/statoverride"]
queues = "active bounce corrupt defer deferred flush hold incoming maildrop saved trace".split()
own = (".pid", "/mux.accept", "/cache.mmap", "/cache.flock", "/prng_exch")
links, found = {}, {}
def look(path):
    s = os.lstat(path)
    if stat.S_ISREG(s.st_mode) and path.endswith(own):
        content = "a daemon's own"
    elif path.startswith("/var/spool/postfix/pid/") or path.endswith("saslauthd/mux"):
        # There while the daemon runs.
        return
    elif stat.S_ISREG(s.st_mode):
        content = hashlib.sha256(open(path, "rb").read()).hexdigest()
        links.setdefault((s.st_dev, s.st_ino), []).append(path)
    else:
        content = os.readlink(path) if stat.S_ISLNK(s.st_mode) else ""
    names = sorted(os.listxattr(path, follow_symlinks=False))
    extra = [(name, os.getxattr(path, name, follow_symlinks=False).hex()) for name in names]
    found[path] = [oct(s.st_mode), s.st_uid, s.st_gid, content, extra]
for top in tops:
    if os.path.lexists(top):
        look(top)
    for directory, names, files in os.walk(top):
        if directory == "/var/spool/postfix":
            names[:] = [n for n in names if n not in queues]
        for name in names + files:
            look(os.path.join(directory, name))
print(json.dumps([found, sorted(sorted(p) for p in links.values() if len(p) > 1)]))
"""
SERVICES = ("postfix", "saslauthd", "dovecot")


def inventory(host: Host) -> Any:
    """Give all files that a repair may touch, their hard links, and which services run and start at boot."""
    files_and_links = json.loads(host.run(["python3", "-c", INVENTORY]).stdout)
    return [*files_and_links, {name: _states(host, name) for name in SERVICES}]


def _states(host: Host, name: str) -> list[str]:
    if not host.systemd:
        return [str(host.run(["service", name, "status"], check=False).status)]
    unit = "postfix@-" if name == "postfix" and host.release == "bookworm" else name
    verbs = ("is-active", "is-enabled")
    return [host.run(["systemctl", verb, unit], check=False).stdout.strip() for verb in verbs]


def differences(before: Any, after: Any) -> list[str]:
    """Say how two inventories differ, a line each."""
    lines = [
        f"{path}: {before[0].get(path)} -> {after[0].get(path)}"
        for path in sorted(before[0].keys() | after[0].keys())
        if before[0].get(path) != after[0].get(path)
    ]
    if before[1] != after[1]:
        lines.append(f"hard links: {before[1]} -> {after[1]}")
    for name, state in before[2].items():
        # A service that had failed cannot be made to fail again; it does not run, that is what counts.
        now = after[2][name]
        if _without_failure(state) != _without_failure(now):
            lines.append(f"{name}: {state} -> {now}")
    return lines


def _without_failure(state: list[str]) -> list[str]:
    return ["inactive" if each in ("failed", "deactivating") else each for each in state]


def fix(host: Host, *words: str, input: str = "") -> dict[str, Any]:
    """Run ``maildoctor check --fix`` with ``words``; its JSON must match the published schema."""
    ran = host.run(
        ["maildoctor", "check", "--fix", "--format", "json", *words], check=False, timeout=240, input=input
    )
    assert ran.status in (0, 1, 3), ran.stderr
    assert ran.stdout, ran.stderr
    document: dict[str, Any] = json.loads(ran.stdout)
    jsonschema.validate(document, _schema())
    return document


def undo(host: Host, *words: str) -> str:
    """Run ``maildoctor undo --yes``; it must succeed."""
    return host.run(["maildoctor", "undo", "--yes", *words], timeout=120).stdout


@cache
def _schema() -> Any:
    return json.loads(files("maildoctor.report").joinpath("plan.schema.json").read_text())
