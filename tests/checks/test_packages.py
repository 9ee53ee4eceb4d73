"""Installed: what is not there, in whole findings."""

import os
from pathlib import Path

import pytest

from maildoctor.check import Check, Result, Status, all_checks, run
from maildoctor.finding import Evidence, Finding, Impact, Severity, Stage
from maildoctor.host import Missing, Output, TreeHost
from maildoctor.postfix.configuration import login_services, meant_for_logins
from maildoctor.remedy import Action, InstallPackages, Option, Remedy, RestartUnit, SetServiceOption
from tests.postfix.conftest import STATUS, MakeHost, make_host, write

__all__ = ["make_host"]

MASTER = "submission inet n - y - - smtpd\n -o smtpd_sasl_auth_enable=yes\n"
PLUGINS = "/usr/lib/x86_64-linux-gnu/sasl2"
CONF = "/etc/postfix/sasl/smtpd.conf"
DPKG = "/var/lib/dpkg/status"


def installing(name: str, *afterwards: Action) -> Remedy:
    return Remedy.choice(Option("install", f"Installs {name}.", (InstallPackages((name,)), *afterwards)))


def named(code: str) -> Check:
    return next(check for check in all_checks() if check.code == code)


def ask(host: TreeHost, code: str) -> list[Result]:
    services = [each for each in login_services(host) if meant_for_logins(host, each)]
    return list(run(named(code), host, services))


def findings(host: TreeHost, code: str) -> list[Finding]:
    """Ask one check; it must neither be skipped nor crash."""
    results = ask(host, code)
    assert all(result.status in (Status.OK, Status.FOUND) for result in results), results
    return [finding for result in results for finding in result.findings]


def package(host: TreeHost, name: str, status: str = "install ok installed") -> None:
    old = host.text(DPKG)
    write_to = host.root + DPKG
    with open(write_to, "w") as file:
        file.write(old + STATUS.format(name=name, status=status, version="2.1.28"))
    host.memory.clear()


@pytest.fixture
def host(make_host: MakeHost) -> TreeHost:
    """Postfix with submission, saslauthd meant; nothing of SASL installed but the plugins' directory."""
    made = make_host(master=MASTER, **{CONF: "pwcheck_method: saslauthd\nmech_list: PLAIN LOGIN\n"})
    write(Path(made.root), f"{PLUGINS}/libanonymous.so.2", "")
    return made


def installed(host: TreeHost, *paths: str) -> None:

    for path in paths:
        write(Path(host.root), path, "")
    host.memory.clear()


def test_saslauthd_is_not_installed(host: TreeHost) -> None:
    (finding,) = findings(host, "saslauthd-not-installed")
    assert finding == Finding(
        summary="saslauthd is to verify the passwords, but it is not installed (package sasl2-bin)",
        subject="sasl2-bin",
        expected="installed",
        found="not installed",
        evidence=(
            Evidence(f"{CONF}:1", "pwcheck_method: saslauthd"),
            Evidence(DPKG, "sasl2-bin: not installed"),
        ),
        proof="dpkg-query -W -f='${Package} ${db:Status-Status}\\n' sasl2-bin",
        remedy=installing("sasl2-bin"),
        explains=named("saslauthd-not-installed").explains,
        code="saslauthd-not-installed",
        stage=Stage.INSTALLED,
        services=("submission",),
    )


def test_the_program_is_gone_though_the_package_is_there(
    host: TreeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(host, "sasl2-bin")
    assert findings(host, "saslauthd-not-installed") == []
    monkeypatch.setattr(host, "live", True)
    (finding,) = findings(host, "saslauthd-not-installed")
    assert (finding.found, finding.remedy.options) == ("no /usr/sbin/saslauthd", ())


@pytest.mark.parametrize("path", ["/usr/sbin/saslauthd", "/usr/local/sbin/saslauthd"])
def test_a_saslauthd_of_any_origin_will_do(host: TreeHost, path: str) -> None:
    installed(host, path)
    assert findings(host, "saslauthd-not-installed") == []


def test_saslauthd_is_not_needed_for_sasldb(make_host: MakeHost) -> None:
    made = make_host(master=MASTER, **{CONF: "pwcheck_method: auxprop\n"})
    assert findings(made, "saslauthd-not-installed") == []
    made.intended = "saslauthd"
    assert [each.found for each in findings(made, "saslauthd-not-installed")] == ["not installed"]


def test_plugins_are_missing(host: TreeHost) -> None:
    (finding,) = findings(host, "sasl-modules-missing")
    assert finding.evidence == (Evidence(DPKG, "libsasl2-modules: not installed"),)
    assert finding.remedy == installing("libsasl2-modules", RestartUnit("postfix"))
    assert finding.impact is Impact.ALL_LOGINS


def test_plugins_are_missing_though_the_package_is_there(host: TreeHost) -> None:
    package(host, "libsasl2-modules")
    (finding,) = findings(host, "sasl-modules-missing")
    assert "though libsasl2-modules is installed" in finding.summary
    assert finding.remedy.options == ()


@pytest.mark.parametrize("name", ["libplain.so.2", "liblogin.so"])
@pytest.mark.parametrize("directory", [PLUGINS, "/usr/lib/sasl2"])
def test_one_plugin_will_do(host: TreeHost, directory: str, name: str) -> None:
    installed(host, f"{directory}/{name}")
    assert findings(host, "sasl-modules-missing") == []


def test_sasldb_plugin(make_host: MakeHost, host: TreeHost) -> None:
    assert findings(host, "sasldb-plugin-missing") == []
    made = make_host(master=MASTER, **{CONF: "pwcheck_method: auxprop\n"})
    assert [each.subject for each in findings(made, "sasldb-plugin-missing")] == ["libsasl2-modules-db"]
    installed(made, f"{PLUGINS}/libsasldb.so.2")
    assert findings(made, "sasldb-plugin-missing") == []


DOVECOT = "smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = "


@pytest.mark.parametrize(
    ("path", "program", "codes"),
    [
        ("private/auth", None, ["dovecot-core"]),
        ("private/auth", "/usr/sbin/dovecot", []),
        ("inet:192.0.2.5:12345", None, []),
    ],
)
def test_dovecot(make_host: MakeHost, path: str, program: str | None, codes: list[str]) -> None:
    made = make_host(DOVECOT + path + "\n", MASTER + "smtp inet n - y - - smtpd\n")
    installed(made, *([program] if program else []))
    found = findings(made, "dovecot-not-installed")
    assert [each.subject for each in found] == codes * 2
    assert {each.impact for each in found} <= {Impact.INCOMING_MAIL}


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ("deinstall ok config-files", [("config-files", Impact.INCOMING_MAIL)]),
        ("install ok installed", []),
        ("install ok unpacked", []),
    ],
)
def test_postfix_is_removed(make_host: MakeHost, state: str, found: list[object]) -> None:
    made = make_host(master=MASTER)
    text = STATUS.format(name="postfix", status=state, version="3.7.11-1")
    with open(made.root + DPKG, "w") as file:
        file.write(text)
    got = findings(made, "postfix-removed-but-configured")
    assert [(each.found, each.impact) for each in got] == found


def test_a_package_is_half_configured(host: TreeHost) -> None:
    package(host, "libsasl2-modules", "install ok half-configured")
    package(host, "unrelated", "install ok half-configured")
    (finding,) = findings(host, "package-half-configured")
    assert (finding.subject, finding.severity) == ("libsasl2-modules", Severity.WARNING)
    assert finding.remedy == Remedy.choice(
        Option(
            "finish",
            "apt finishes setting up libsasl2-modules.",
            (InstallPackages(("libsasl2-modules",)),),
        )
    )


def test_no_debian_is_no_answer(host: TreeHost) -> None:

    os.remove(host.root + DPKG)
    (result,) = ask(host, "postfix-removed-but-configured")
    reason = str(Missing(DPKG, "no such file: not a Debian system?"))
    assert (result.status, result.reason) == (Status.SKIPPED, reason)


@pytest.mark.parametrize(
    ("said", "expected", "options"),
    [
        ("cyrus\ndovecot\n", "cyrus or dovecot", ("cyrus", "dovecot")),
        ("", "a Postfix built with SASL", ()),
    ],
)
def test_sasl_type(
    make_host: MakeHost, monkeypatch: pytest.MonkeyPatch, said: str, expected: str, options: tuple[str, ...]
) -> None:
    made = make_host(master=MASTER + " -o smtpd_sasl_type=courier\n")
    monkeypatch.setattr(made, "run", lambda *command, timeout=3.0: Output(0, said, ""))
    monkeypatch.setattr(made, "live", True)
    (finding,) = findings(made, "sasl-type-unsupported")
    assert (finding.expected, finding.found) == (expected, "courier")
    assert finding.evidence[0] == Evidence("/etc/postfix/master.cf:3", "smtpd_sasl_type = courier")
    assert tuple(option.name for option in finding.remedy.options) == options
    if options:
        change = SetServiceOption("submission/inet", "smtpd_sasl_type", "cyrus")
        cyrus: Option = finding.remedy.options[0]
        assert cyrus.actions == (change, RestartUnit("postfix"))
