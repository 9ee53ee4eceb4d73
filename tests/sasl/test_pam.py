"""PAM stacks: which refuse everybody, and which let everybody in."""

from pathlib import Path

import pytest

from maildoctor.host import TreeHost
from maildoctor.sasl.pam import permits_everybody, refusal, why_refused

PERMIT = "auth required pam_permit.so\n"
PASSWD = "root:x:0:0::/root:/bin/sh\n"
GROUPS = "mail:x:8:\nusers:x:100:hoge\n"
LISTED = "pam_listfile.so item=user sense=allow file=/etc/users onerr={}"


def host_with(root: Path, **files: str) -> TreeHost:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return TreeHost(str(root))


@pytest.mark.parametrize(
    ("stack", "files", "why"),
    [
        (f"auth required {LISTED.format('fail')}\n", {}, "/etc/users does not exist"),
        (f"auth required {LISTED.format('succeed')}\n", {}, None),
        (f"auth required {LISTED.format('fail')}\n", {"etc__users": "\n"}, "/etc/users names nobody"),
        (f"auth required {LISTED.format('fail')}\n", {"etc__users": "hoge\n"}, None),
        ("auth required pam_nologin.so\n", {}, None),
        ("auth required pam_nologin.so\n", {"etc__nologin": ""}, "/etc/nologin is there"),
        (
            "auth required pam_access.so\n",
            {"etc__security__access.conf": "# all\n- : ALL : ALL\n"},
            "/etc/security/access.conf, line 2: - : ALL : ALL",
        ),
        ("auth required pam_access.so\n", {"etc__security__access.conf": "+:hoge:ALL\n-:ALL:ALL\n"}, None),
        ("auth required pam_access.so\n", {"etc__security__access.conf": "-:root:ALL\n"}, None),
        ("auth sufficient pam_unix.so\nauth required pam_nologin.so\n", {"etc__nologin": ""}, None),
        (
            "auth required pam_succeed_if.so quiet user ingroup mail\n",
            {"etc__group": GROUPS},
            "nobody is in group mail",
        ),
        ("auth required pam_succeed_if.so user ingroup mail:users\n", {"etc__group": GROUPS}, None),
        ("auth required pam_succeed_if.so uid >= 1000\n", {"etc__group": GROUPS}, None),
    ],
)
def test_modules_whose_files_refuse(
    tmp_path: Path, stack: str, files: dict[str, str], why: str | None
) -> None:
    host = host_with(tmp_path, etc__passwd=PASSWD, **files)
    (tmp_path / "etc/pam.d").mkdir(exist_ok=True)
    (tmp_path / "etc/pam.d/smtp").write_text(stack)
    rule = refusal(host, "smtp", "auth")
    assert (why_refused(host, rule) if rule else None) == why


@pytest.mark.parametrize(
    ("stack", "open_to_all"),
    [
        ("auth sufficient pam_permit.so\nauth required pam_unix.so\n", True),
        ("auth sufficient pam_rootok.so\nauth required pam_unix.so\n", True),
        ("auth required pam_permit.so\n", True),
        ("auth [success=1 default=die] pam_unix.so\nauth requisite pam_deny.so\n" + PERMIT, False),
        ("auth required pam_unix.so\nauth required pam_permit.so\n", False),
        ("auth required pam_unix.so\nauth optional pam_permit.so\n", False),
        ("auth sufficient pam_unix.so\n", False),
    ],
)
def test_stacks_that_ask_for_no_password(tmp_path: Path, stack: str, open_to_all: bool) -> None:
    (tmp_path / "etc/pam.d").mkdir(parents=True)
    (tmp_path / "etc/pam.d/smtp").write_text(stack)
    assert (permits_everybody(TreeHost(str(tmp_path)), "smtp") is not None) == open_to_all
