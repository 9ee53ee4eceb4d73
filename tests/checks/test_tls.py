"""TLS: what it takes, and what is wrong with certificates and keys."""

from pathlib import Path

import pytest

from maildoctor.finding import Impact, Severity
from maildoctor.host import TreeHost
from maildoctor.postfix.key_pair import belong_together
from maildoctor.postfix.tls import Fault, Policy, fault, policy, protocols
from maildoctor.remedy import (
    Action,
    ReloadUnit,
    Remedy,
    RemoveServiceOption,
    RestartUnit,
    SetParameter,
    SetServiceOption,
)
from tests.checks.tree import SMTP, SUBMISSION, ask, mail_server, service

KEY = """\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIMIEl/zLyNpqtXzax5z9murSKBD47SWLJSEKPihB2NIkoAoGCCqGSM49
AwEHoUQDQgAEAX5hwqC8LzsflWg1L2TMTGhbhbl0OhBbDuYb/jGWCAoy0tsQhtV5
q+f9Jz2RIaJC6RgUeRdLi0MGAsNAqEQorg==
-----END EC PRIVATE KEY-----
"""
OTHER_KEY = """\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIFbkzGBeOs/FyBdtEIdxysXiEGxcSinF5WHuJY2PQqw/oAoGCCqGSM49
AwEHoUQDQgAEokznO/ieHVpuK9OoVAJNAi6MAfSUMxcEqnhOAuIhm3eiQA15XFPF
ovK2sl8i5Lrqs0Ht/32QDbXf9x6WYBVIPQ==
-----END EC PRIVATE KEY-----
"""
LOCKED_KEY = """\
-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-256-CBC,4C34EAC171613F6CB91DF9ABA9F379DE

K8XmVzF01xjPCEQchlMX6nwwSn8Ttpl7kP6UTXYd86C9aR+yS1QpFmIM+woLt38s
EdVUbic7pmseQ58vQ2Owwgjq6+MyQZ+wQ1FQDlxBx4zuYrxwNm4v+VJHkB1AHejx
y/npg1PsI2tIC8Dl9Uytc8bSxWhE+yifrJyNYuXnjKE=
-----END EC PRIVATE KEY-----
"""
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBHjCBxgIBATAKBggqhkjOPQQDAjAbMRkwFwYDVQQDDBBtYWlsLmV4YW1wbGUu
Y29tMCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAbMRkwFwYDVQQD
DBBtYWlsLmV4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEAX5h
wqC8LzsflWg1L2TMTGhbhbl0OhBbDuYb/jGWCAoy0tsQhtV5q+f9Jz2RIaJC6RgU
eRdLi0MGAsNAqEQorjAKBggqhkjOPQQDAgNHADBEAiAvgyEPKWL2LyO06QOmHWtg
NWuJmVG230h2qOuJ5/E/qwIgZK7HuopcPo/t41LE0Vq5LYGIBfbczPqCjLz7sa07
dQM=
-----END CERTIFICATE-----
"""
EXPIRED = """\
-----BEGIN CERTIFICATE-----
MIIBHjCBxAIBAjAKBggqhkjOPQQDAjAbMRkwFwYDVQQDDBBtYWlsLmV4YW1wbGUu
Y29tMB4XDTE5MDEwMTAwMDAwMFoXDTIwMDEwMTAwMDAwMFowGzEZMBcGA1UEAwwQ
bWFpbC5leGFtcGxlLmNvbTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABAF+YcKg
vC87H5VoNS9kzExoW4W5dDoQWw7mG/4xlggKMtLbEIbVeavn/Sc9kSGiQukYFHkX
S4tDBgLDQKhEKK4wCgYIKoZIzj0EAwIDSQAwRgIhAI2HHv5ImzSSP8emDA/nyMkb
rMV5Wu8c6qrC8iUqQp84AiEA/njoaGCdTs+te1T1OzsSFlY9mDiqwC0501pT3nxu
Ajo=
-----END CERTIFICATE-----
"""

FILES = "smtpd_tls_cert_file = /tls/cert\nsmtpd_tls_key_file = /tls/key\n"
LEVEL = "smtpd_tls_security_level"


def submission(*options: str) -> str:
    """Add options to the service; one with spaces stands in braces."""
    return SMTP + SUBMISSION + "".join(f"  -o {option}\n" for option in options)


def with_tls(root: Path, *options: str, cert: str = CERTIFICATE, key: str = KEY) -> TreeHost:
    """A host whose submission service has TLS."""
    options = options or (f"{LEVEL}=encrypt",)
    return mail_server(root, FILES, submission(*options), tls__cert=cert, tls__key=key)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), Policy(False, False, False, False)),
        ((f"{LEVEL}=may",), Policy(True, False, False, False)),
        ((f"{LEVEL}=Encrypt",), Policy(True, True, False, True)),
        ((f"{LEVEL}=none", "smtpd_use_tls=yes"), Policy(False, False, False, False)),
        (("smtpd_use_tls=yes", "smtpd_tls_auth_only=yes"), Policy(True, False, False, True)),
        (("smtpd_enforce_tls=yes",), Policy(True, True, False, True)),
        (("smtpd_tls_wrappermode=yes", f"{LEVEL}=none"), Policy(True, True, True, True)),
    ],
)
def test_what_the_parameters_come_to(tmp_path: Path, options: tuple[str, ...], expected: Policy) -> None:
    assert policy(service(mail_server(tmp_path, master=submission(*options)))) == expected


def test_a_certificate_and_its_key(tmp_path: Path) -> None:
    host = with_tls(tmp_path)
    assert fault(host, service(host)) is None
    assert ask(host, "tls-certificate-missing") == ask(host, "tls-key-unusable") == ()
    assert ask(host, "tls-certificate-expired") == ()


def test_the_key_of_the_certificate_is_sought_beside_it(tmp_path: Path) -> None:
    host = with_tls(tmp_path, key=OTHER_KEY)
    (found,) = ask(host, "tls-key-unusable")
    assert not found.remedy.options
    assert found.proof == "openssl pkey -pubout -in /tls/key; openssl x509 -pubkey -noout -in /tls/cert"
    (tmp_path / "tls/other.key").write_text(OTHER_KEY)
    (tmp_path / "tls/mail.key").write_text(KEY)
    (found,) = ask(TreeHost(str(tmp_path)), "tls-key-unusable")
    right = SetParameter("smtpd_tls_key_file", "/tls/mail.key")
    assert found.remedy == Remedy.safe(right, ReloadUnit("postfix"))


def test_openssl_is_not_asked_where_both_plainly_belong_together() -> None:
    assert belong_together(CERTIFICATE.encode(), KEY.encode())
    assert not belong_together(CERTIFICATE.encode(), OTHER_KEY.encode())
    assert not belong_together(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END ", KEY.encode())


def test_both_may_be_one_file(tmp_path: Path) -> None:
    main = "smtpd_tls_cert_file = /tls/both\n"
    host = mail_server(tmp_path, main, submission(f"{LEVEL}=may"), tls__both=KEY + CERTIFICATE)
    assert fault(host, service(host)) is None


def test_chain_files_come_first(tmp_path: Path) -> None:
    main = FILES + "smtpd_tls_chain_files = /tls/chain\n"
    host = mail_server(tmp_path, main, submission(f"{LEVEL}=may"), tls__chain=KEY + CERTIFICATE)
    assert fault(host, service(host)) is None


@pytest.mark.parametrize(
    ("cert", "key", "expected"),
    [
        ("", KEY, Fault("smtpd_tls_cert_file", "/tls/cert", "is empty")),
        ("nonsense", KEY, Fault("smtpd_tls_cert_file", "/tls/cert", "holds no certificate in PEM form")),
        (CERTIFICATE, " ", Fault("smtpd_tls_key_file", "/tls/key", "is empty", True)),
        (
            CERTIFICATE,
            CERTIFICATE,
            Fault("smtpd_tls_key_file", "/tls/key", "holds no private key in PEM form", True),
        ),
        (
            CERTIFICATE,
            OTHER_KEY,
            Fault("smtpd_tls_key_file", "/tls/key", "does not belong to the certificate", True),
        ),
        (
            CERTIFICATE,
            LOCKED_KEY,
            Fault(
                "smtpd_tls_key_file",
                "/tls/key",
                "is protected by a passphrase, which smtpd cannot ask for",
                True,
            ),
        ),
    ],
)
def test_what_is_wrong_with_them(tmp_path: Path, cert: str, key: str, expected: Fault) -> None:
    host = with_tls(tmp_path, cert=cert, key=key)
    assert fault(host, service(host)) == expected
    code = "tls-key-unusable" if expected.concerns_key else "tls-certificate-missing"
    (finding,) = ask(host, code)
    assert (finding.subject, finding.impact) == (expected.path, Impact.ALL_LOGINS)


def test_a_directory_where_the_key_should_be(tmp_path: Path) -> None:
    host = with_tls(tmp_path)
    (tmp_path / "tls/key").unlink()
    (tmp_path / "tls/key").mkdir()
    assert fault(host, service(host)) == Fault(
        "smtpd_tls_key_file", "/tls/key", "is a directory, not a regular file", True
    )


def test_no_certificate_at_all(tmp_path: Path) -> None:
    (finding,) = ask(mail_server(tmp_path, "", submission(f"{LEVEL}=may")), "tls-certificate-missing")
    assert (finding.found, finding.impact) == ("no certificate is set", Impact.SOME_LOGINS)


def test_a_missing_authority_switches_tls_off_as_well(tmp_path: Path) -> None:
    host = with_tls(tmp_path, f"{LEVEL}=encrypt", "smtpd_tls_CAfile=/tls/ca")
    assert [each.subject for each in ask(host, "tls-certificate-missing")] == ["/tls/ca"]


def test_an_expired_certificate_is_a_warning(tmp_path: Path) -> None:
    (finding,) = ask(with_tls(tmp_path, cert=EXPIRED), "tls-certificate-expired")
    assert finding.severity is Severity.WARNING
    assert finding.summary == "the certificate /tls/cert expired on 2020-01-01"


SIMPLE = [
    (
        "tls-required-but-off",
        "submission",
        ["smtpd_tls_auth_only=yes"],
        SetServiceOption("submission/inet", LEVEL, "may"),
    ),
    ("tls-required-but-off", "submission", [f"{LEVEL}=encrypt", "smtpd_tls_auth_only=yes"], None),
    ("tls-level-unknown", "submission", [f"{LEVEL}=yes"], SetServiceOption("submission/inet", LEVEL, "may")),
    ("tls-level-unknown", "submission", [f"{LEVEL}=MAY"], None),
    (
        "tls-wrappermode-missing",
        "submissions",
        [],
        SetServiceOption("submissions/inet", "smtpd_tls_wrappermode", "yes"),
    ),
    ("tls-wrappermode-missing", "submissions", ["smtpd_tls_wrappermode=yes"], None),
    (
        "tls-wrappermode-misplaced",
        "submission",
        ["smtpd_tls_wrappermode=yes"],
        RemoveServiceOption("submission/inet", "smtpd_tls_wrappermode"),
    ),
    ("tls-wrappermode-misplaced", "submissions", ["smtpd_tls_wrappermode=yes"], None),
]


@pytest.mark.parametrize(("code", "name", "options", "change"), SIMPLE)
def test_simple_faults_and_their_remedies(
    tmp_path: Path, code: str, name: str, options: list[str], change: Action | None
) -> None:
    host = mail_server(tmp_path, FILES, submission(*options).replace("submission inet", f"{name} inet"))
    findings = ask(host, code, name)
    if change is None:
        assert findings == ()
    else:
        then = RestartUnit("postfix") if code == "tls-level-unknown" else ReloadUnit("postfix")
        assert [each.remedy for each in findings] == [Remedy.safe(change, then)]


def test_wrapper_mode_in_main_cf_stops_incoming_mail(tmp_path: Path) -> None:
    (finding,) = ask(
        mail_server(tmp_path, "smtpd_tls_wrappermode = yes\n"), "tls-wrappermode-misplaced", "smtp"
    )
    assert finding.impact is Impact.INCOMING_MAIL
    assert finding.remedy == Remedy.safe(SetParameter("smtpd_tls_wrappermode", "no"), ReloadUnit("postfix"))


@pytest.mark.parametrize(
    ("value", "spoken"),
    [
        (">=TLSv1", ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]),
        ("!SSLv2, !SSLv3", ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]),
        ("tlsv1.2", ["TLSv1.2"]),
        (">=0303", ["TLSv1.2", "TLSv1.3"]),
        (">=TLSv1.2, <=TLSv1.2", ["TLSv1.2"]),
        ("!SSLv2 !SSLv3 !TLSv1 !TLSv1.1 !TLSv1.2 !TLSv1.3", []),
        ("TLSv9", None),
    ],
)
def test_versions_of_tls(tmp_path: Path, value: str, spoken: list[str] | None) -> None:
    host = with_tls(tmp_path, f"{LEVEL}=encrypt", f"{{ smtpd_tls_mandatory_protocols = {value} }}")
    assert protocols(service(host)) == spoken
    assert len(ask(host, "tls-settings-unusable")) == (0 if spoken else 1)


def test_the_optional_lists_hold_where_tls_is_optional(tmp_path: Path) -> None:
    broken = ("smtpd_tls_mandatory_protocols=none", "smtpd_tls_mandatory_ciphers=strong")
    host = with_tls(tmp_path, f"{LEVEL}=may", *broken)
    assert ask(host, "tls-settings-unusable") == ()


def test_a_grade_of_ciphers_that_does_not_exist(tmp_path: Path) -> None:
    host = with_tls(tmp_path, f"{LEVEL}=encrypt", "smtpd_tls_mandatory_ciphers=strong")
    assert [each.subject for each in ask(host, "tls-settings-unusable")] == ["smtpd_tls_mandatory_ciphers"]


@pytest.mark.parametrize(("authority", "severity"), [("", Severity.ERROR), ("/tls/cert", Severity.INFO)])
def test_clients_that_need_a_certificate(tmp_path: Path, authority: str, severity: Severity) -> None:
    host = with_tls(tmp_path, f"{LEVEL}=encrypt", "smtpd_tls_req_ccert=yes", f"smtpd_tls_CAfile={authority}")
    assert [each.severity for each in ask(host, "tls-client-certificate-required")] == [severity]


def test_in_a_chain_the_key_comes_first(tmp_path: Path) -> None:
    main = "smtpd_tls_chain_files = /tls/chain\n"
    host = mail_server(tmp_path, main, submission(f"{LEVEL}=may"), tls__chain=CERTIFICATE + KEY)
    found = fault(host, service(host))
    assert found is not None
    assert found.why == "has the key behind the certificate, where it must come first"


def test_no_certificate_by_intention_is_none_for_mail_programs(tmp_path: Path) -> None:
    host = mail_server(tmp_path, "smtpd_tls_cert_file = none\n", submission(f"{LEVEL}=may"))
    assert fault(host, service(host)) == Fault("smtpd_tls_cert_file", "", "no certificate is set")
