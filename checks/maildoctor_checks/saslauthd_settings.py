"""Reachable: do the settings of saslauthd's starter let it start where smtpd looks for it?"""

import os
import re
from collections.abc import Iterator
from shlex import quote

from maildoctor.check import check
from maildoctor.finding import Evidence, Finding, Severity, Stage
from maildoctor.host import Host
from maildoctor.postfix.service import Service
from maildoctor.remedy import Action, MakeDirectory, Option, Remedy, RestartUnit, SetLine, WriteFile
from maildoctor.sasl.defaults import CARRIAGE_RETURN, READ, Complaint, read_as_shell
from maildoctor.sasl.intention import needs_saslauthd
from maildoctor.sasl.saslauthd import DEFAULTS, installed, instance_files, main_instance, reads_start
from maildoctor.sasl.saslauthd_reach import Fault, reach, real
from maildoctor.sasl.saslauthd_unit import NAME, unit
from maildoctor.source import Source
from maildoctor_checks._saslauthd import (
    CONSEQUENCES,
    impact,
    is_running,
    listen_in,
    log_command,
    process_evidence,
    unit_for,
)

MISPLACED = (
    "saslauthd-socket-outside-chroot",
    "saslauthd-socket-in-chroot-unchrooted",
    "saslauthd-socket-elsewhere",
)
"""Where saslauthd listens, when it starts at all."""


def _applies(host: Host, service: Service) -> bool:
    return needs_saslauthd(host, service) and installed(host)


def _severity(host: Host) -> Severity:
    """A fault of the settings stops nobody before the next start."""
    return Severity.WARNING if is_running(host) else Severity.ERROR


@check(
    Stage.REACHABLE,
    explains=(
        *CONSEQUENCES,
        *MISPLACED,
        "saslauthd-start-not-yes",
        "saslauthd-mechanism-unknown",
        "saslauthd-options-wrong",
    ),
)
def saslauthd_defaults_syntax(host: Host, service: Service) -> Iterator[Finding]:
    """/etc/default/saslauthd has a line that does not set what it seems to set.

    What:
        saslauthd does not start, or starts with other settings than those that stand in the file.
    Why:
        Debian 12's init script reads the file with the shell: no space before or after =, quotes round a
        value with spaces, every quote closed, every "if" with its "fi". An error ends the script. Debian 13's
        unit lets systemd read it: no "export", no substitution, no comment behind a value.
    Start: saslauthd-chroot
    Break on 12:
        systemctl stop saslauthd
        sed -i 's/^OPTIONS="\\(.*\\)"$/OPTIONS="\\1/' /etc/default/saslauthd
        systemctl start saslauthd || true
    Mend on 12:
        sed -i 's/^OPTIONS="\\([^"]*\\)$/OPTIONS="\\1"/' /etc/default/saslauthd
        systemctl restart saslauthd
    Safety:
        The same value, spelt so that it is read.
    See: systemd.exec(5) on EnvironmentFile, /etc/default/saslauthd
    """
    instance = main_instance(host)
    if not _applies(host, service) or instance is None:
        return
    for complaint in instance.defaults.complaints:
        name = re.match(r"(?:export\s+)?(\w+)", complaint.text)
        counts = complaint.fatal or complaint.why == CARRIAGE_RETURN
        counts = counts or (name is not None and name[1] in READ - {"NAME", "DESC"})
        if not counts:
            continue
        culprit = _culprit(host, complaint)
        yield Finding(
            summary=f"{DEFAULTS}, line {culprit.line}: {complaint.why}",
            subject=DEFAULTS,
            severity=_harm(host, service, complaint),
            impact=impact(host, service),
            expected='NAME="value"',
            found=culprit.text,
            evidence=(Evidence.at(Source(DEFAULTS, culprit.line), culprit.text), *process_evidence(host)),
            proof=f"sed -n {culprit.line}p {DEFAULTS}" + ("; sh -n " + DEFAULTS if complaint.fatal else ""),
            remedy=_spell(host, culprit),
        )


def _harm(host: Host, service: Service, complaint: Complaint) -> Severity:
    if complaint.fatal:
        return _severity(host)
    reached = is_running(host) and reach(host, service).fault is Fault.NONE
    return Severity.INFO if reached else Severity.ERROR


def _culprit(host: Host, complaint: Complaint) -> Complaint:
    """Give the first line with an unpaired quote: the shell itself complains only where quotes run out."""
    if not complaint.fatal or "quote" not in complaint.why:
        return complaint
    for number, line in enumerate(host.text(DEFAULTS).splitlines(), start=1):
        if not line.lstrip().startswith("#") and (line.count('"') % 2 or line.count("'") % 2):
            return Complaint(number, line, complaint.why, fatal=True)
    return complaint


def _spell(host: Host, complaint: Complaint) -> Remedy:
    if complaint.why == CARRIAGE_RETURN:
        text = host.text(DEFAULTS).replace("\r\n", "\n")
        return Remedy.safe(WriteFile(DEFAULTS, text), RestartUnit("saslauthd"))
    if complaint.fatal and "quote" not in complaint.why:
        return Remedy.manual(
            f"Complete or remove the command in line {complaint.line} of {DEFAULTS}, then: "
            "systemctl restart saslauthd"
        )
    match = re.match(r"\s*(?:export\s+)?(\w+)\s*=\s*(.*)$", complaint.text)
    if match is None or match[1] not in READ or re.search(r"[`$\\]", match[2]):
        return Remedy.manual(f'Write line {complaint.line} of {DEFAULTS} as NAME="value".')
    if len(re.findall(rf"(?m)^\s*(?:export\s+)?{match[1]}\s*=", host.text(DEFAULTS))) > 1:
        return Remedy.manual(
            f"{match[1]} is set more than once: mend or remove line {complaint.line} of {DEFAULTS}."
        )
    value = match[2].partition(" #")[0].strip().strip("\"'").strip()
    text = value if re.fullmatch(r"[\w./-]+", value) else f'"{value}"'
    return Remedy.safe(SetLine(DEFAULTS, match[1], "=", text), RestartUnit("saslauthd"))


@check(Stage.REACHABLE, explains=CONSEQUENCES)
def saslauthd_defaults_missing(host: Host, service: Service) -> Iterator[Finding]:
    """/etc/default/saslauthd is missing.

    What:
        saslauthd cannot start: its starter finds no settings.
    Why:
        The file belongs to the package sasl2-bin; somebody removed it, or moved it to make an instance.
    Start: saslauthd-chroot
    Break:
        mv /etc/default/saslauthd /root/saslauthd.away
        systemctl restart saslauthd || true
        pkill -x saslauthd || true
    Mend:
        mv /root/saslauthd.away /etc/default/saslauthd
        systemctl restart saslauthd
    Safety:
        The remedy writes new settings that verify by PAM; those that stood there before are not known.
    See: /usr/share/doc/sasl2-bin/README.Debian
    """
    if (
        not _applies(host, service)
        or main_instance(host) is not None
        or (reads_start(host) and instance_files(host))
    ):
        return
    directory = os.path.dirname(reach(host, service).on_host)
    lines = ['MECHANISMS="pam"', f'OPTIONS="-c -m {directory}"', "THREADS=5"]
    content = "\n".join([*(["START=yes"] if reads_start(host) else []), *lines, ""])
    yield Finding(
        summary=f"{DEFAULTS} is missing, without which saslauthd does not start",
        subject=DEFAULTS,
        severity=_severity(host),
        impact=impact(host, service),
        expected="saslauthd's settings",
        found="no such file",
        evidence=(Evidence(f"stat {DEFAULTS}", "No such file or directory"), *process_evidence(host)),
        proof=f"ls -l {DEFAULTS}",
        remedy=Remedy.choice(
            Option(
                "pam",
                "Verifies passwords by PAM, and listens where this service looks.",
                (WriteFile(DEFAULTS, content), *unit_for(host, directory), RestartUnit("saslauthd")),
            )
        ),
    )


@check(Stage.REACHABLE, explains=(*CONSEQUENCES, *MISPLACED))
def saslauthd_options_wrong(host: Host, service: Service) -> Iterator[Finding]:
    """OPTIONS in /etc/default/saslauthd keep saslauthd from starting.

    What:
        saslauthd does not run: its starter or saslauthd itself refuses the options.
    Why:
        Debian 12's init script wants -m and its directory as two words, and no -d; saslauthd prints its
        usage and ends at an option that it does not know. With -d it stays in the foreground, and its starter
        waits in vain.
    Start: saslauthd-chroot
    Break on 12:
        systemctl stop saslauthd
        sed -i 's/^OPTIONS=.*/OPTIONS="-c"/' /etc/default/saslauthd
        systemctl start saslauthd || true
    Break on 13:
        sed -i 's/^OPTIONS="/OPTIONS="-x /' /etc/default/saslauthd
        systemctl restart saslauthd || true
    Mend:
        sed -i 's|^OPTIONS=.*|OPTIONS="-c -m /var/spool/postfix/var/run/saslauthd"|' /etc/default/saslauthd
        systemctl restart saslauthd
    Safety:
        Options that saslauthd knows stay; the directory is the one in which smtpd looks.
    See: saslauthd(8)
    """
    instance = main_instance(host)
    if not _applies(host, service) or instance is None or not instance.known or instance.defaults.fatal:
        return
    foreground = "-d or -f keeps it in the foreground" if instance.arguments.foreground else ""
    refused = f"saslauthd refuses {instance.arguments.refused}" if instance.arguments.refused else ""
    why = instance.refused or refused or foreground
    if not why or why.startswith("MECHANISMS"):
        return
    options = instance.defaults.get("OPTIONS")
    directory = os.path.dirname(reach(host, service).on_host)
    yield Finding(
        summary=f"saslauthd does not start with these options: {why}",
        subject=DEFAULTS,
        severity=_severity(host),
        impact=impact(host, service),
        expected=f'OPTIONS="-c -m {directory}"',
        found=f'OPTIONS="{options.value}"',
        evidence=(Evidence.at(options.source, f'OPTIONS="{options.value}"'), *process_evidence(host)),
        proof=log_command(host),
        remedy=Remedy.safe(*_threads(instance.arguments.refused), *listen_in(host, directory)),
    )


def _threads(refused: str) -> list[Action]:
    """Debian 13's unit ends with -n $THREADS, which must say something."""
    return [SetLine(DEFAULTS, "THREADS", "=", "5")] if refused == "-n without a value" else []


@check(Stage.REACHABLE, explains=CONSEQUENCES)
def saslauthd_pidfile_mismatch(host: Host, service: Service) -> Iterator[Finding]:
    """saslauthd's unit waits for its pid file in another directory.

    What:
        "systemctl start saslauthd" hangs for 90 seconds, then systemd kills saslauthd and leaves a dead
        socket. Logins work in between and then end with 454, "Connection refused".
    Why:
        On Debian 13 the unit's PIDFile is fixed, while saslauthd writes saslauthd.pid where -m in OPTIONS
        says. Guides for older releases change OPTIONS alone. A drop-in sets PIDFile, and makes the directory.
    Start: saslauthd-chroot
    Break on 13:
        rm /etc/systemd/system/saslauthd.service.d/*.conf
        systemctl daemon-reload
        timeout 3 systemctl restart saslauthd || true
        systemctl stop saslauthd
    Mend on 13:
        mkdir -p /etc/systemd/system/saslauthd.service.d
        printf '[Service]\\nPIDFile=/var/spool/postfix/var/run/saslauthd/saslauthd.pid\\n' \\
            > /etc/systemd/system/saslauthd.service.d/chroot.conf
        systemctl daemon-reload
        systemctl restart saslauthd
    Safety:
        A drop-in beside the unit, which stays as the package ships it.
    See: systemd.service(5) on PIDFile
    """
    instance, started = main_instance(host), unit(host)
    if not _applies(host, service) or instance is None or started is None or not started.pidfile.value:
        return
    written = f"{instance.arguments.directory.rstrip('/')}/saslauthd.pid"
    if real(host, started.pidfile.value) == real(host, written) or started.last("Type").value != "forking":
        return
    yield Finding(
        summary="systemd waits for saslauthd's pid file where saslauthd does not write it",
        subject=NAME,
        severity=Severity.WARNING if _settled(host) else Severity.ERROR,
        impact=impact(host, service),
        expected=f"PIDFile={written}",
        found=f"PIDFile={started.pidfile.value}",
        evidence=(
            Evidence.at(started.pidfile.source, f"PIDFile={started.pidfile.value}"),
            Evidence.at(instance.directory.source, f"-m {instance.directory.value}"),
            *process_evidence(host),
        ),
        proof="systemctl cat saslauthd | grep PIDFile",
        remedy=Remedy.safe(
            *unit_for(host, instance.arguments.directory.rstrip("/")), RestartUnit("saslauthd")
        ),
    )


def _settled(host: Host) -> bool:
    """Tell whether systemd has accepted the daemon that runs, and will not kill it within 90 seconds."""
    from maildoctor.sasl.saslauthd_daemon import unit_state

    state = unit_state(host) if is_running(host) else None
    return state is not None and state.active == "active"


@check(Stage.REACHABLE, explains=("saslauthd-not-running", "saslauthd-socket-dead"))
def saslauthd_directory_missing(host: Host, service: Service) -> Iterator[Finding]:
    """The directory for saslauthd's socket is missing.

    What:
        saslauthd cannot start ("can not mkdir"), or runs on without anybody reaching its socket, because the
        directory was removed under it. Logins end with 454, "No such file or directory".
    Why:
        saslauthd makes the last directory of its path only, and Debian 13's unit makes none but
        /run/saslauthd; Debian 12's init script makes all of them at each start.
    Start: saslauthd-chroot
    Break on 12:
        rm -r /var/spool/postfix/var/run
    Break on 13:
        rm -r /var/spool/postfix/var
        systemctl restart saslauthd || true
    Mend:
        install -d -o root -g sasl -m 0710 /var/spool/postfix/var/run/saslauthd
        systemctl restart saslauthd
    Safety:
        The directory admits root and group sasl alone, as Debian makes it.
    See: saslauthd(8)
    """
    instance = main_instance(host)
    if not _applies(host, service) or instance is None:
        return
    directory = instance.arguments.directory.rstrip("/")
    if is_running(host):
        missing = reach(host, service).fault is Fault.DIRECTORY_GONE
    else:
        missing = unit(host) is not None and not _made(host, directory)
    if not missing:
        return
    yield Finding(
        summary=f"{directory}, where saslauthd's socket should be, is missing",
        subject=directory,
        impact=impact(host, service),
        expected="0710 root:sasl",
        found="no such directory",
        evidence=(
            Evidence(f"stat {directory}", "No such file or directory"),
            Evidence.at(instance.directory.source, f"-m {directory}"),
            *process_evidence(host),
        ),
        proof=f"stat {quote(directory)}",
        remedy=Remedy.safe(MakeDirectory(directory, "root", "sasl", 0o710), RestartUnit("saslauthd")),
    )


def _made(host: Host, directory: str) -> bool:
    """Tell whether the directory's parent is there, or the unit makes the directory itself."""
    started = unit(host)
    assert started is not None
    before = " ".join(value.value for value in started.settings.get("ExecStartPre", []))
    itself = real(host, directory) in started.runtime_directories or directory in before.split()
    return itself or host.exists(os.path.dirname(directory))


@check(Stage.REACHABLE, explains=("saslauthd-not-running", *MISPLACED))
def saslauthd_instance_ignored(host: Host, service: Service) -> Iterator[Finding]:
    """A further instance of saslauthd is set up, which Debian 13 never starts.

    What:
        /etc/default/saslauthd-NAME describes a saslauthd of its own, for Postfix's chroot mostly. Debian 12's
        init script starts one daemon for each such file; Debian 13's unit reads /etc/default/saslauthd alone.
        After the upgrade nothing listens where smtpd looks.
    Why:
        The native unit took the init script's place.
    Start: saslauthd-chroot
    Break on 13:
        cp /etc/default/saslauthd /etc/default/saslauthd-postfix
        sed -i 's|/var/spool/postfix||' /etc/default/saslauthd
        mkdir -p /root/away
        mv /etc/systemd/system/saslauthd.service.d/*.conf /root/away
        systemctl daemon-reload
        systemctl restart saslauthd
    Mend on 13:
        mv /etc/default/saslauthd-postfix /etc/default/saslauthd
        mv /root/away/*.conf /etc/systemd/system/saslauthd.service.d
        systemctl daemon-reload
        systemctl restart saslauthd
    Safety:
        A choice: whatever used saslauthd's usual directory beside Postfix no longer finds it there.
    See: /usr/share/doc/sasl2-bin/README.Debian.gz, systemd.unit(5)
    """
    others = [path for path in instance_files(host) if path != DEFAULTS]
    if not _applies(host, service) or unit(host) is None or reach(host, service).fault is Fault.NONE:
        return
    wanted, main = real(host, reach(host, service).path.value, reach(host, service).root), main_instance(host)
    if main is not None and real(host, main.arguments.socket) == wanted:
        return
    for path in others:
        options = read_as_shell(host.text(path), path).get("OPTIONS")
        match = re.search(r"-m\s*(\S+)", options.value)
        if match is None or real(host, f"{match[1]}/mux") != wanted:
            continue
        yield Finding(
            summary=f"Debian 13's saslauthd does not read {path}, whose directory smtpd looks in",
            subject=path,
            impact=impact(host, service),
            expected=f"-m {match[1]} in {DEFAULTS}",
            found=f"-m {match[1]} in {path}",
            evidence=(Evidence.at(options.source, f'OPTIONS="{options.value}"'), *process_evidence(host)),
            proof="systemctl cat saslauthd | grep EnvironmentFile",
            remedy=Remedy.choice(
                Option(
                    "main",
                    "The one saslauthd that runs listens where Postfix looks; other programs lose it.",
                    tuple(listen_in(host, match[1])),
                )
            ),
        )


@check(Stage.REACHABLE)
def saslauthd_defaults_unread_variable(host: Host, service: Service) -> Iterator[Finding]:
    """/etc/default/saslauthd sets a variable that nothing reads.

    What:
        The line has no effect. Read are MECHANISMS, MECH_OPTIONS, OPTIONS and THREADS, on Debian 12 also
        START, NAME and DESC.
    Why:
        Guides for other systems and older releases set PARAMS, PWDIR or PIDFILE.
    Start: saslauthd-chroot
    Break:
        echo 'PARAMS="-m /var/spool/postfix/var/run/saslauthd -r"' >> /etc/default/saslauthd
    Mend:
        sed -i '/^PARAMS=/d' /etc/default/saslauthd
    Safety:
        Harmless; put what the line was meant to set into OPTIONS.
    See: /etc/default/saslauthd
    """
    instance = main_instance(host)
    if not _applies(host, service) or instance is None:
        return
    text = host.text(DEFAULTS)
    for name, value in instance.defaults.variables.items():
        if name in READ or value.source is None or re.search(rf"\$\{{?{name}\b", text):
            continue
        yield Finding(
            summary=f"Nothing reads {name} in {DEFAULTS}",
            subject=DEFAULTS,
            severity=Severity.INFO,
            expected="OPTIONS",
            found=name,
            evidence=(Evidence.at(value.source, f"{name}=..."),),
            proof=f"grep -n ^{name}= {DEFAULTS}",
        )
