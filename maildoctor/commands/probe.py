"""``maildoctor probe``: log in and ask for relaying, and report."""

import contextlib
import re
import sys
from dataclasses import dataclass, replace
from ipaddress import ip_address

from maildoctor.commands import ExitStatus, WrongUsage
from maildoctor.commands.output import report_stream
from maildoctor.host import CannotLook, this_host
from maildoctor.probe import Credentials, Envelope, Password, ProbeResult, Target, Tls, Verdict, probe
from maildoctor.probe.mechanism import MECHANISMS
from maildoctor.probe.own import LOCALHOST, own_addresses, own_envelope, own_targets
from maildoctor.report.ink import Colour

SUBMISSION_PORT, SMTPS_PORT, SMTP_PORT = 587, 465, 25
PASSWORD_LIMIT = 4096
TIMEOUT_LIMIT = 600.0
WORST_FIRST = (
    Verdict.BROKEN,
    Verdict.DEGRADED,
    Verdict.UNKNOWN,
    Verdict.NOTHING_WRONG_FOUND,
    Verdict.WHOLE,
)
NOWHERE = "no service of this host is meant for logins; --service or --port probes one all the same"
_ADDRESS = re.compile(r"[!-;=?-~]+@[!-;=?-~]+")
_HOST = re.compile(r"[^\s\x00-\x1f\x7f]{1,255}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOptions:
    """What was asked for on the command line."""

    host: str | None = None
    port: int | None = None
    service: str | None = None
    user: str | None = None
    password_file: str | None = None
    mechanism: str | None = None
    tls: Tls = Tls.AUTO
    sender: str | None = None
    recipient: str | None = None
    timeout: float = 30.0
    as_json: bool = False
    output: str | None = None
    colour: Colour = Colour.AUTO


def run(options: ProbeOptions) -> ExitStatus:
    """Probe, report, and give the exit status. Raises WrongUsage."""
    _check(options)
    credentials = _credentials(options)
    try:
        targets = _targets(options)
    except CannotLook as error:
        return _report(options, Verdict.UNKNOWN, [], str(error))
    if not targets:
        return _report(options, Verdict.UNKNOWN, [], NOWHERE)
    envelope = _envelope(options)
    results: list[ProbeResult] = []
    for target in targets:
        _say(f"probing {target.host} port {target.port} ...")
        asked = any(each.port == SMTP_PORT for each in targets) or bool(results)
        results.append(
            probe(
                target,
                credentials,
                options.timeout,
                mechanism=options.mechanism and options.mechanism.upper(),
                envelope=envelope,
                port_25=not asked,
            )
        )
    return _report(options, min((each.verdict for each in results), key=WORST_FIRST.index), results)


def exit_status(verdict: Verdict) -> ExitStatus:
    """Give 0 where nothing wrong was found, 1 where something fails, 3 where that could not be judged."""
    if verdict in (Verdict.BROKEN, Verdict.DEGRADED):
        return ExitStatus.FOUND
    return ExitStatus.UNJUDGED if verdict is Verdict.UNKNOWN else ExitStatus.FINE


def _check(options: ProbeOptions) -> None:
    """Refuse what cannot be done before anything is connected."""
    if options.service is not None and (options.host is not None or options.port is not None):
        raise WrongUsage("--service names a service of this host and its port: --host and --port go without")
    if options.host is not None and not _HOST.fullmatch(options.host):
        raise WrongUsage(f"--host {options.host}: is no host")
    if options.port is not None and not 0 < options.port < 65536:
        raise WrongUsage(f"--port {options.port}: ports go from 1 to 65535")
    if not 0 < options.timeout <= TIMEOUT_LIMIT:
        raise WrongUsage(f"--timeout {options.timeout:g}: seconds, more than 0 and at most {TIMEOUT_LIMIT:g}")
    if options.mechanism is not None and options.mechanism.upper() not in MECHANISMS:
        raise WrongUsage(f"--mechanism {options.mechanism}: can be {', '.join(MECHANISMS)}")
    for option, address in (("--from", options.sender), ("--rcpt", options.recipient)):
        if address is not None and not _ADDRESS.fullmatch(address):
            raise WrongUsage(f"{option} {address}: is no mail address")
    if options.password_file is not None and options.user is None:
        raise WrongUsage("--password-file goes with --user")


def _credentials(options: ProbeOptions) -> Credentials | None:
    if options.user is None:
        return None
    if not options.user or "\0" in options.user:
        raise WrongUsage("--user: is empty")
    password = _password(options)
    if not password or len(password) > PASSWORD_LIMIT:
        raise WrongUsage(f"the password has {'no' if not password else f'over {PASSWORD_LIMIT}'} bytes")
    if any(byte in password for byte in b"\0\r\n"):
        raise WrongUsage("the password holds a line break or a NUL byte")
    return Credentials(options.user, Password(password))


def _password(options: ProbeOptions) -> bytes:
    """Read a password from the file, from a prompt without echo, or from stdin; without the line's end."""
    if options.password_file not in (None, "-"):
        return _password_in(str(options.password_file))
    if options.password_file is None and sys.stdin.isatty():
        import getpass

        try:
            return getpass.getpass(f"Password of {options.user}: ").encode("utf-8", "surrogateescape")
        except EOFError:
            return b""
    return _one_line(sys.stdin.buffer.read(PASSWORD_LIMIT + 3))


def _password_in(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return _one_line(file.read(PASSWORD_LIMIT + 3))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "cannot be opened"
        raise WrongUsage(f"--password-file {path}: {reason}") from None


def _one_line(data: bytes) -> bytes:
    return data.removesuffix(b"\n").removesuffix(b"\r")


def _targets(options: ProbeOptions) -> list[Target]:
    """Raise CannotLook where this host's own services cannot be read."""
    if options.host is not None:
        return [_elsewhere(options, options.host)]
    if options.port is not None:
        targets = _at_port(options.port)
    else:
        targets = own_targets(this_host(), options.service)
    if options.service is not None and not targets:
        raise WrongUsage(f"--service {options.service}: master.cf has no such service for clients")
    return [each if options.tls is Tls.AUTO else _with_tls(each, options.tls) for each in targets]


def _at_port(port: int) -> list[Target]:
    """Give this host's service at ``port``; where master.cf has none or cannot be read, the port itself."""
    with contextlib.suppress(CannotLook):
        if targets := own_targets(this_host(), str(port)):
            return targets
    return [Target(LOCALHOST, port, own=True)]


def _with_tls(target: Target, tls: Tls) -> Target:
    return replace(target, tls=tls)


def _elsewhere(options: ProbeOptions, host: str) -> Target:
    host = host.strip("[]")
    port = options.port or (SMTPS_PORT if options.tls is Tls.IMPLICIT else SUBMISSION_PORT)
    try:
        address = ip_address(host)
    except ValueError:
        return Target(host, port, options.tls, name=host, own=host.lower() == "localhost")
    own = address.is_loopback or address in own_addresses()
    return Target(host, port, options.tls, own=own)


def _envelope(options: ProbeOptions) -> Envelope:
    default = own_envelope(this_host())
    return Envelope(options.sender or default.sender, options.recipient or default.recipient)


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"maildoctor: {text}", file=sys.stderr)


def _report(
    options: ProbeOptions, verdict: Verdict, results: list[ProbeResult], reason: str | None = None
) -> ExitStatus:
    with report_stream(options.output) as stream:
        if options.as_json:
            from maildoctor.report import probe_json

            stream.write(probe_json.render(verdict, results, reason))
        else:
            from maildoctor.report import ink, probe_text

            ink.write(list(probe_text.render(verdict, results, reason)), options.colour, stream)
    return exit_status(verdict)
