"""Configured: does smtpd see the files that the host has?"""

import os
from collections.abc import Iterator
from shlex import quote

from maildoctor.check import check
from maildoctor.finding import Evidence, Finding, Stage
from maildoctor.host import Host
from maildoctor.postfix.daemon import master_pid
from maildoctor.postfix.service import Service
from maildoctor.remedy import Remedy
from maildoctor.sasl.smtpd_conf import effective
from maildoctor_checks._packages import asks_cyrus


@check(Stage.CONFIGURED, live=True, root=True, explains=("no-mechanism-left", "smtpd-conf-missing"))
def smtpd_conf_hidden(host: Host, service: Service) -> Iterator[Finding]:
    """smtpd.conf is there, and Postfix's unit hides it from smtpd.

    What:
        master runs in a mount namespace of its own, in which smtpd.conf is missing or another file. smtpd
        falls back to sasldb2 and to every mechanism that is installed; every login ends with 535.
    Why:
        A drop-in for Postfix's unit sets InaccessiblePaths=, TemporaryFileSystem= or the like, to harden it.
    Start: saslauthd-chroot
    Break:
        for unit in postfix postfix@-; do
            mkdir -p /etc/systemd/system/$unit.service.d
            printf '[Service]\\nInaccessiblePaths=/etc/postfix/sasl\\n' \\
                > /etc/systemd/system/$unit.service.d/hide.conf
        done
        systemctl daemon-reload
        systemctl restart 'postfix*.service'
    Mend:
        rm /etc/systemd/system/postfix*.service.d/hide.conf
        systemctl daemon-reload
        systemctl restart 'postfix*.service'
    Safety:
        Manual: somebody meant to protect the host.
    See: systemd.exec(5)
    """
    path, pid = effective(host, service).path, master_pid(host)
    if not path or pid is None or not asks_cyrus(service):
        return
    try:
        hidden = not os.path.samestat(os.stat(f"/proc/{pid}/root{path}"), host.stat(path))
    except (FileNotFoundError, NotADirectoryError):
        hidden = os.path.exists(f"/proc/{pid}")
    except OSError:
        return
    if hidden:
        yield Finding(
            summary=f"smtpd does not see {path}: Postfix's unit hides it",
            subject=path,
            expected="the same file in the mount namespace of Postfix's master",
            found="none, or another file",
            evidence=(Evidence(f"/proc/{pid}/root{path}", "is not the file that the host has there"),),
            proof=f"ls -l /proc/{pid}/root{quote(path)}; systemctl cat postfix postfix@-",
            remedy=Remedy.manual(
                "Take InaccessiblePaths= and the like out of Postfix's unit (systemctl cat shows them), "
                "then: systemctl daemon-reload && systemctl restart 'postfix*.service'"
            ),
        )
