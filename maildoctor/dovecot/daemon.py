"""Dovecot's master process, and whether its configuration lets it start."""

from maildoctor.dovecot.config import configuration
from maildoctor.dovecot.listener import BASE_DIRECTORY
from maildoctor.fact import fact
from maildoctor.host import CommandMissing, Host, Missing, NeedsLiveHost

PROGRAM = "/usr/sbin/dovecot"
DOVECONF_SECONDS = 2.0


@fact
def installed(host: Host) -> bool:
    """Tell whether Debian's dovecot-core has left its program here."""
    return host.exists(PROGRAM)


@fact
def master_pid(host: Host) -> int | None:
    """Give the process id of Dovecot's master, None where it does not run.

    Its pid file may be left from before a crash or a reboot, so the process behind it is looked at. Raises
    NeedsLiveHost.
    """
    if not host.live:
        raise NeedsLiveHost("is Dovecot running")
    found = configuration(host)
    base = found.setting("base_dir", BASE_DIRECTORY) if found else BASE_DIRECTORY
    try:
        pid = host.text(f"{base}/master.pid").strip()
        alive = pid.isdigit() and host.text(f"/proc/{pid}/comm").strip() == "dovecot"
    except Missing:
        return None
    return int(pid) if alive else None


@fact
def halted(host: Host) -> tuple[int, ...]:
    """Give the stopped processes for want of which nobody is answered: auth, or the master that starts it.

    Read from proc(5). Raises NeedsLiveHost.
    """
    master = master_pid(host)
    if master is None:
        return ()
    named = {pid: _name_and_state(host, pid) for pid in _children(host, master)}
    auth = {pid: state for pid, (name, state) in named.items() if name == "auth"}
    asked = auth or {master: _name_and_state(host, master)[1]}
    return tuple(pid for pid, state in asked.items() if state in ("T", "t"))


def _children(host: Host, pid: int) -> list[int]:
    try:
        return [int(word) for word in host.text(f"/proc/{pid}/task/{pid}/children").split()]
    except Missing:
        return []


def _name_and_state(host: Host, pid: int) -> tuple[str, str]:
    """Read ``PID (NAME) STATE ...``; empty where the process has ended meanwhile."""
    try:
        head, _, rest = host.text(f"/proc/{pid}/stat").rpartition(")")
    except Missing:
        return "", ""
    return head.partition("(")[2], rest.strip()[:1]


@fact
def complaint(host: Host) -> str | None:
    """Give the first line with which doveconf(1) refuses the configuration, None where it takes it.

    ``-x`` opens the files that settings name as well, as Dovecot does when it starts: certificates, keys.
    What it prints is not looked at. Takes some 30 ms. Raises CommandHung.
    """
    try:
        output = host.run("doveconf", "-n", "-x", timeout=DOVECONF_SECONDS)
    except CommandMissing:
        return None
    if output.status == 0:
        return None
    lines = [line.strip() for line in output.stderr.splitlines() if line.strip()]
    serious = [line for line in lines if "Fatal" in line or "Error" in line]
    return (serious or lines or [f"doveconf: exit status {output.status}"])[0]
