"""Hygiene: what works but is dangerous."""

from pathlib import Path

import pytest

from maildoctor.check import all_checks, run
from maildoctor.finding import Finding, Impact, Severity
from maildoctor.host import TreeHost
from maildoctor.postfix.configuration import login_services
from maildoctor.remedy import ChangeOwner, InstallPackages, Remedy
from tests.checks.tree import ask, mail_server
from tests.trees.tree import as_root

MODULES = "Package: libsasl2-modules\nStatus: install ok installed\nArchitecture: amd64\nVersion: {}\n\n"
POSTFIX = "Package: postfix\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.7.11-0+deb12u1\n\n"


@pytest.mark.parametrize(
    ("release", "version", "vulnerable"),
    [
        ("12.11", "2.1.28+dfsg-10+deb12u1", False),
        ("12.11", "2.1.28+dfsg-10", True),
        ("12.12", "2.1.28+dfsg-10+deb12u2", False),
        ("13.1", "2.1.28+dfsg1-9", True),
        ("13.2", "2.1.28+dfsg1-9+deb13u1", False),
        ("11.11", "2.1.27+dfsg-2.1+deb11u1", True),
        ("forky/sid", "2.1.28+dfsg1-10", False),
    ],
)
def test_the_hole_in_digest_md5(tmp_path: Path, release: str, version: str, vulnerable: bool) -> None:
    files = {"var/lib/dpkg/status": POSTFIX + MODULES.format(version), "etc/debian_version": f"{release}\n"}
    files["etc/postfix/sasl/smtpd.conf"] = "pwcheck_method: auxprop\n"
    found = ask(mail_server(tmp_path, **files), "sasl-library-vulnerable")
    assert [each.severity for each in found] == [Severity.INFO] * vulnerable


def test_a_mended_version_is_installed_by_choice(tmp_path: Path) -> None:
    files = {"var/lib/dpkg/status": POSTFIX + MODULES.format("2.1.28+dfsg-10"), "etc/debian_version": "12\n"}
    files["etc/postfix/sasl/smtpd.conf"] = "pwcheck_method: auxprop\n"
    (finding,) = ask(mail_server(tmp_path, **files), "sasl-library-vulnerable")
    action = finding.remedy.options[0].actions[0]
    assert action == InstallPackages(("libsasl2-modules", "libsasl2-2"))


def test_without_digest_md5_on_offer_the_hole_does_not_matter(tmp_path: Path) -> None:
    files = {"var/lib/dpkg/status": POSTFIX + MODULES.format("2.1.28+dfsg-10"), "etc/debian_version": "12\n"}
    assert ask(mail_server(tmp_path, **files), "sasl-library-vulnerable") == ()


def writable(host: TreeHost) -> tuple[Finding, ...]:
    check = next(each for each in all_checks() if each.code == "sasl-path-writable-by-others")
    (result,) = run(check, host, login_services(host))
    assert result.reason is None, result.reason
    return result.findings


@as_root
@pytest.mark.parametrize(
    ("path", "mode", "mended"),
    [
        ("etc/postfix/sasl/smtpd.conf", 0o666, 0o664),
        ("etc/postfix", 0o777, 0o775),
        ("var/spool/postfix/var/run/saslauthd", 0o777, 0o775),
    ],
)
def test_what_everybody_may_change(tmp_path: Path, path: str, mode: int, mended: int) -> None:
    host = mail_server(tmp_path, etc__passwd="root:x:0:0::/:/bin/sh\n", etc__group="root:x:0:\n")
    (tmp_path / "var/spool/postfix/var/run/saslauthd").mkdir(parents=True)
    for directory in (tmp_path, *(each for each in tmp_path.rglob("*") if each.is_dir())):
        directory.chmod(0o755)
    assert writable(host) == ()
    (tmp_path / path).chmod(mode)
    (finding,) = writable(TreeHost(str(tmp_path)))
    assert (finding.severity, finding.impact) == (Severity.ERROR, Impact.DANGER)
    assert finding.remedy == Remedy.safe(ChangeOwner(f"/{path}", "root", "root", mended))


@as_root
def test_a_sticky_directory_or_one_behind_a_closed_one_is_no_danger(tmp_path: Path) -> None:
    host = mail_server(tmp_path, etc__passwd="root:x:0:0::/:/bin/sh\n", etc__group="root:x:0:\n")
    (tmp_path / "etc/postfix").chmod(0o1777)
    assert writable(host) == ()
    (tmp_path / "etc/postfix").chmod(0o700)
    (tmp_path / "etc/postfix/sasl/smtpd.conf").chmod(0o666)
    assert writable(TreeHost(str(tmp_path))) == ()
