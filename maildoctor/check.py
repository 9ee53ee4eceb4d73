"""``@check``: a function of one host's facts that yields findings; the registry; running one.

A check's name with hyphens is its findings' code, its docstring is the page that ``maildoctor explain``
prints (see ``maildoctor.page``). Checks come from packages that register under the entry-point group
``maildoctor.checks``: an entry point names a package, all of whose modules are imported.
"""

import importlib
import os
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from enum import StrEnum
from types import ModuleType
from typing import NamedTuple

from maildoctor.entry_points import packages
from maildoctor.finding import Evidence, Finding, Stage
from maildoctor.host import CannotLook, Host
from maildoctor.postfix.service import Service
from maildoctor.secret import masked

ENTRY_POINTS = "maildoctor.checks"

HostCheck = Callable[[Host], Iterable[Finding]]
ServiceCheck = Callable[[Host, Service], Iterable[Finding]]


class Status(StrEnum):
    """How asking one check ended."""

    OK = "ok"
    FOUND = "found"
    SKIPPED = "skipped"
    CRASHED = "crashed"


class Check(NamedTuple):
    """A registered check."""

    code: str
    stage: Stage
    function: Callable[..., Iterable[Finding]]
    per_service: bool
    explains: tuple[str, ...]
    everywhere: bool
    live: bool
    root: bool
    vital: bool = False

    @property
    def documentation(self) -> str:
        """Give the docstring, without its indentation."""
        import inspect

        return inspect.getdoc(self.function) or ""


class Result(NamedTuple):
    """What one check said of the host or of one service; ``reason`` says why it was skipped or crashed."""

    check: Check
    service: str | None
    status: Status
    reason: str | None = None
    findings: tuple[Finding, ...] = ()


_registry: dict[str, Check] = {}


def check(
    stage: Stage,
    *,
    explains: Iterable[str] = (),
    everywhere: bool = False,
    live: bool = False,
    root: bool = False,
    vital: bool = False,
) -> Callable[[Callable[..., Iterable[Finding]]], Callable[..., Iterable[Finding]]]:
    """Register a check: ``function(host)`` or ``function(host, service)``, yielding findings.

    ``explains`` names the codes of findings that its fault brings about. A check of services is asked about
    those on which people are meant to log in, or with ``everywhere`` about every smtpd that clients reach.
    ``live`` and ``root`` say that it can only be asked on a running host, or as root, and is skipped with
    that reason elsewhere. Where a ``vital`` one could not look, the host cannot be called healthy, whatever
    its services' paths say.
    """

    def register(function: Callable[..., Iterable[Finding]]) -> Callable[..., Iterable[Finding]]:
        code = function.__name__.replace("_", "-")
        if code in _registry and _registry[code].function.__module__ != function.__module__:
            raise ValueError(f"two checks are named {code}")
        per_service = function.__code__.co_argcount == 2
        _registry[code] = Check(
            code, stage, function, per_service, tuple(explains), everywhere, live, root, vital
        )
        return function

    return register


def all_checks() -> list[Check]:
    """Import every registered package of checks; give the checks by stage, then by code.

    A module that cannot be imported takes part as a check of its name that crashes.
    """
    for name in packages(ENTRY_POINTS):
        package = _import(name)
        for module in sorted(_modules(getattr(package, "__path__", ()))):
            _import(f"{name}.{module}")
    return sorted(_registry.values(), key=lambda each: (each.stage.order, each.code))


def _modules(directories: Iterable[str]) -> Iterator[str]:
    for directory in filter(os.path.isdir, directories):
        for name in os.listdir(directory):
            if name.endswith(".py") and name != "__init__.py":
                yield name.removesuffix(".py")


def _import(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except Exception as error:
        reason = f"cannot be imported: {type(error).__name__}: {error}"

        def crash(host: Host) -> Iterable[Finding]:
            raise RuntimeError(reason)

        _registry[name] = Check(name, Stage.HYGIENE, crash, False, (), False, False, False)
        return None


def run(check: Check, host: Host, services: Iterable[Service]) -> Iterator[Result]:
    """Ask one check about the host, or about each of ``services``; it never raises."""
    if check.per_service:
        for service in services:
            yield _ask(check, host, service)
    else:
        yield _ask(check, host, None)


def _ask(check: Check, host: Host, service: Service | None) -> Result:
    name = service.name if service else None
    if check.live and not host.live:
        return Result(check, name, Status.SKIPPED, "needs the running host, not a directory tree")
    if check.root and not host.privileged:
        return Result(check, name, Status.SKIPPED, "needs root")
    arguments = (host, service) if service else (host,)
    try:
        found = tuple(_complete(check, name, finding) for finding in check.function(*arguments))
    except CannotLook as error:
        return Result(check, name, Status.SKIPPED, str(error))
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {error} ({place.name}, line {place.lineno})"
        return Result(check, name, Status.CRASHED, reason)
    return Result(check, name, Status.FOUND if found else Status.OK, None, found)


def _complete(check: Check, service: str | None, finding: Finding) -> Finding:
    """Add what the declaration says, and take out passwords: no check need think of them."""
    return replace(
        finding,
        summary=masked(finding.summary),
        subject=masked(finding.subject),
        expected=finding.expected and masked(finding.expected),
        found=finding.found and masked(finding.found),
        evidence=tuple(Evidence(each.source, masked(each.text)) for each in finding.evidence),
        code=check.code,
        stage=finding.stage or check.stage,
        services=finding.services or ((service,) if service else ()),
        explains=(*check.explains, *finding.explains),
    )
