"""Listening: does Postfix run, and will it after the next boot?"""

import shlex
import stat
from collections.abc import Iterator

from maildoctor.access import may
from maildoctor.check import check
from maildoctor.debian.accounts import group_name, user_name
from maildoctor.debian.units import masked, native_unit, starts_at_boot, states_or_nothing
from maildoctor.finding import Evidence, Finding, Impact, Severity, Stage
from maildoctor.host import Host
from maildoctor.postfix.configuration import login_services, meant_for_logins, parameter
from maildoctor.postfix.daemon import Master, master
from maildoctor.remedy import EnableUnit, Remedy, RestartUnit
from maildoctor_checks._directory import let_pass

UNITS = ("postfix.service", "postfix@-.service")


@check(Stage.LISTENING, live=True, explains=("service-not-listening", "service-throttled"))
def postfix_not_running(host: Host) -> Iterator[Finding]:
    """Postfix's master does not run.

    What:
        No process answers to the number in pid/master.pid, so that nothing listens for mail at all.
    Why:
        It was stopped, killed, or could not start; then the mail log has a line with "fatal:" and the reason.
        On Debian 12 and older postfix.service is a dummy: systemd calls it active even when Postfix is dead,
        and the unit that counts is postfix@-.service. For the same reason "systemctl start postfix" does
        nothing there, while a restart does.
    Start: saslauthd-chroot
    Break:
        postfix stop
    Mend:
        systemctl restart postfix
    Safety:
        Safe: it starts what is set up and enabled.
    See: master(8), postfix(1)
    """
    found = master(host)
    if found.pid is not None:
        return
    from maildoctor.postfix.last_words import last_words

    states = states_or_nothing(host, *UNITS)
    yield Finding(
        summary="Postfix does not run: there is no master process",
        subject="master",
        impact=Impact.INCOMING_MAIL,
        expected="a process named master with the number in pid/master.pid",
        found=_bearer(found),
        evidence=(
            Evidence(found.path, _bearer(found)),
            *(Evidence(f"systemctl show {unit}", state) for unit, state in states.items()),
            *last_words(host, "master"),
        ),
        proof="postfix status",
        remedy=Remedy.safe(
            RestartUnit("postfix"),
            notes="If it ends again at once, the reason stands in the mail log, in a line with fatal:.",
        ),
    )


@check(
    Stage.LISTENING,
    explains=(
        "postfix-not-running",
        "service-not-listening",
        "saslauthd-directory-impassable",
        "dovecot-socket-unreachable",
        "sasldb-unreadable",
        "postfix-not-in-group-sasl",
    ),
)
def queue_directory_impassable(host: Host) -> Iterator[Finding]:
    """Postfix's processes may not enter the queue directory.

    What:
        User postfix has no x permission on the queue directory or on a directory above it.
    Why:
        A chmod meant well or meant for another path, or a restored backup. Postfix's programs change into
        the queue directory as user postfix; none of them starts.
    Start: saslauthd-chroot
    Break:
        chmod 700 /var/spool/postfix
        systemctl restart postfix || true
    Mend:
        chmod 755 /var/spool/postfix
        systemctl restart postfix
    Safety:
        Safe: Debian ships the directory as 0755; only the missing x is added.
    See: postfix(1) set-permissions
    """
    directory = parameter(host, "queue_directory")
    access = may(host, directory.value, "enter")
    if access.granted or access.refuses is None or access.errno != "EACCES":
        return
    step = access.refuses
    mode, owner = stat.S_IMODE(step.status.st_mode), user_name(host, step.status.st_uid)
    yield Finding(
        summary=f"user postfix may not enter {step.path}, so Postfix does not start",
        subject=step.path,
        impact=Impact.INCOMING_MAIL,
        expected="x for user postfix",
        found=f"{mode:04o} {owner}:{group_name(host, step.status.st_gid)}",
        evidence=(Evidence(f"stat {step.path}", f"{mode:04o}: no x for user postfix"),),
        proof=f"namei -l {shlex.quote(directory.value)}",
        remedy=Remedy.safe(let_pass(host, step), RestartUnit("postfix")),
    )


@check(Stage.LISTENING)
def postfix_not_enabled(host: Host) -> Iterator[Finding]:
    """Postfix does not start at boot.

    What:
        Nothing starts postfix.service: no target wants it, or it is masked.
    Why:
        Somebody disabled it, perhaps while another mail server was tried. Logins work until the next boot.
    Start: saslauthd-chroot
    Break:
        systemctl disable postfix
    Mend:
        systemctl enable postfix
    Safety:
        Safe: it changes nothing before the next boot.
    See: systemctl(1)
    """
    if not any(meant_for_logins(host, each) for each in login_services(host)):
        return
    mask = masked(host, "postfix.service")
    if starts_at_boot(host, "postfix") or not host.exists("/usr/sbin/postfix"):
        return
    if not (mask or host.exists("/etc/init.d/postfix") or native_unit(host, "postfix.service")):
        return  # started by something of the admin's own, such as a container's entry point
    where = Evidence.at(mask, "is a link to /dev/null: masked") if mask else None
    yield Finding(
        summary="Postfix is masked and cannot start at boot" if mask else "Postfix does not start at boot",
        subject="postfix.service",
        severity=Severity.WARNING,
        expected="enabled",
        found="masked" if mask else "disabled",
        evidence=(where or Evidence("/etc/systemd/system", "no target wants postfix.service"),),
        proof="systemctl is-enabled postfix",
        remedy=Remedy.manual("systemctl unmask postfix, then systemctl enable postfix")
        if mask
        else Remedy.safe(EnableUnit("postfix")),
    )


def _bearer(found: Master) -> str:
    if found.written is None:
        return "no number: master is not running"
    if found.bearer:
        return f"number {found.written} is now a process named {found.bearer}"
    return f"no process has the number {found.written}"
