"""A mail server as a directory tree: main.cf, master.cf and what else a check looks at."""

from pathlib import Path

from maildoctor.check import Result, all_checks, run
from maildoctor.finding import Finding
from maildoctor.host import TreeHost
from maildoctor.postfix.configuration import login_services
from maildoctor.postfix.service import Service

MAIN_CF = """\
compatibility_level = 3.6
myhostname = mail.example.com
mynetworks = 127.0.0.0/8 [::1]/128
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
"""
SMTP = "smtp inet n - y - - smtpd\n"
SUBMISSION = "submission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n"
SMTPD_CONF = "pwcheck_method: saslauthd\nmech_list: PLAIN LOGIN\n"
PLUGINS = ("anonymous", "crammd5", "digestmd5", "login", "ntlm", "plain", "scram")


def mail_server(root: Path, main: str = "", master: str = SMTP + SUBMISSION, **files: str) -> TreeHost:
    """Make a Debian 12 with Postfix below ``root``; ``files`` maps ``etc__postfix__x`` to contents."""
    contents = {
        "etc/postfix/main.cf": MAIN_CF + main,
        "etc/postfix/master.cf": master,
        "etc/postfix/sasl/smtpd.conf": SMTPD_CONF,
        "var/lib/dpkg/status": (
            "Package: postfix\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.7.11-0+deb12u1\n"
        ),
    }
    contents |= {f"usr/lib/x86_64-linux-gnu/sasl2/lib{name}.so": "" for name in PLUGINS}
    contents |= {name.replace("__", "/"): text for name, text in files.items()}
    for name, text in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return TreeHost(str(root))


def service(host: TreeHost, name: str = "submission") -> Service:
    """Give one service of the host."""
    return next(each for each in login_services(host) if each.name == name)


def ask(host: TreeHost, code: str, name: str = "submission") -> tuple[Finding, ...]:
    """Ask one check about one service."""
    check = next(each for each in all_checks() if each.code == code)
    (result,) = run(check, host, [service(host, name)])
    assert isinstance(result, Result)
    assert result.reason is None, result.reason
    return result.findings
