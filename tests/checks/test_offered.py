"""What is left to offer, and who sees it."""

from pathlib import Path

import pytest

from maildoctor.finding import Evidence, Finding, Impact, Severity, Stage
from maildoctor.host import TreeHost
from maildoctor.remedy import (
    ReloadUnit,
    Remedy,
    RemoveParameter,
    RestartUnit,
    SetParameter,
    SetServiceOption,
)
from maildoctor.sasl.mechanisms import Offer, offers, passes
from tests.checks.tree import SMTP, SUBMISSION, ask, mail_server, service

ALL = (
    "CRAM-MD5 DIGEST-MD5 LOGIN NTLM PLAIN SCRAM-SHA-1 SCRAM-SHA-224 SCRAM-SHA-256 SCRAM-SHA-384 SCRAM-SHA-512"
)


def submission(*options: str) -> str:
    return SMTP + SUBMISSION + "".join(f"  -o {option}\n" for option in options)


def auxprop(root: Path, *options: str) -> TreeHost:
    """A host without mech_list: every plugin counts."""
    return mail_server(root, master=submission(*options), **{"etc/postfix/sasl/smtpd.conf": ""})


def offered(host: TreeHost) -> list[str]:
    return [" ".join(offer.offered) for offer in offers(host, service(host)) or ()]


def test_mech_list_and_noanonymous_leave_what_a_how_to_promises(tmp_path: Path) -> None:
    host = mail_server(tmp_path)
    assert offers(host, service(host)) == (Offer(False, *[("LOGIN", "PLAIN")] * 3),)


@pytest.mark.parametrize(
    ("option", "left"),
    [
        ("noanonymous", ALL),
        ("noplaintext", "ANONYMOUS " + ALL.replace("LOGIN ", "").replace("PLAIN ", "")),
        ("noactive", ALL[ALL.index("SCRAM") :]),
        ("nodictionary", ""),
        ("mutual_auth", "DIGEST-MD5 " + ALL[ALL.index("SCRAM") :]),
        ("forward_secrecy", ""),
    ],
)
def test_what_each_security_option_leaves_of_cyrus(tmp_path: Path, option: str, left: str) -> None:
    assert offered(auxprop(tmp_path, f"smtpd_sasl_security_options={option}")) == [left]


@pytest.mark.parametrize(
    ("option", "left"),
    [
        ("noanonymous", "PLAIN LOGIN CRAM-MD5"),
        ("noplaintext", "CRAM-MD5"),
        ("noactive", "PLAIN LOGIN"),
        ("nodictionary", "PLAIN LOGIN"),
        ("mutual_auth", ""),
    ],
)
def test_what_each_security_option_leaves_of_dovecot(tmp_path: Path, option: str, left: str) -> None:
    options = (
        "smtpd_sasl_type=dovecot",
        "smtpd_sasl_path=private/auth",
        f"smtpd_sasl_security_options={option}",
    )
    host = mail_server(
        tmp_path,
        master=submission(*options),
        **{"etc/dovecot/dovecot.conf": "auth_mechanisms = plain login cram-md5\n"},
    )
    assert offered(host) == [left]


def test_a_dovecot_elsewhere_is_unknown(tmp_path: Path) -> None:
    options = ("smtpd_sasl_type=dovecot", "smtpd_sasl_path=inet:192.0.2.20:12345")
    host = mail_server(tmp_path, master=submission(*options))
    assert offers(host, service(host)) is None


@pytest.mark.parametrize(
    ("options", "sessions"),
    [
        ([], [False]),
        (["smtpd_tls_security_level=may"], [False, True]),
        (["smtpd_tls_security_level=may", "smtpd_tls_auth_only=yes"], [True]),
        (["smtpd_tls_security_level=encrypt"], [True]),
        (["smtpd_tls_wrappermode=yes"], [True]),
        (["smtpd_use_tls=yes"], [False, True]),
        (["smtpd_tls_security_level=none", "smtpd_enforce_tls=yes"], [False]),
        (["smtpd_tls_auth_only=yes"], []),
    ],
)
def test_in_which_sessions_auth_is_offered(tmp_path: Path, options: list[str], sessions: list[bool]) -> None:
    host = mail_server(tmp_path, master=submission(*options))
    assert [offer.within_tls for offer in offers(host, service(host)) or ()] == sessions


@pytest.mark.parametrize(
    ("patterns", "kept"),
    [
        (["!external", "static:rest"], "PLAIN LOGIN"),
        (["plain"], "PLAIN"),
        (["!login"], ""),
        (["!login", "static:all"], "PLAIN"),
        ([], ""),
    ],
)
def test_the_filter(patterns: list[str], kept: str) -> None:
    assert [each for each in ("PLAIN", "LOGIN") if passes(each, patterns)] == kept.split()


def test_noplaintext_with_nothing_else(tmp_path: Path) -> None:
    host = mail_server(tmp_path, master=submission("smtpd_sasl_security_options=noanonymous,noplaintext"))
    (finding,) = ask(host, "plaintext-mechanisms-forbidden")
    assert (finding.subject, finding.impact) == ("smtpd_sasl_security_options", Impact.ALL_LOGINS)
    assert [option.name for option in finding.remedy.options] == ["everywhere"]
    assert ask(host, "no-mechanism-left") == ()


def test_noplaintext_within_tls_is_lifted_within_tls_alone(tmp_path: Path) -> None:
    options = ("smtpd_sasl_security_options=noanonymous,noplaintext", "smtpd_tls_security_level=encrypt")
    (finding,) = ask(mail_server(tmp_path, master=submission(*options)), "plaintext-mechanisms-forbidden")
    (option,) = finding.remedy.options
    assert option.actions[0] == SetServiceOption(
        "submission/inet", "smtpd_sasl_tls_security_options", "noanonymous"
    )


def test_noplaintext_without_tls_alone_is_what_a_careful_admin_wants(tmp_path: Path) -> None:
    options = (
        "smtpd_sasl_security_options=noanonymous,noplaintext",
        "smtpd_sasl_tls_security_options=noanonymous",
        "smtpd_tls_security_level=encrypt",
    )
    assert ask(mail_server(tmp_path, master=submission(*options)), "plaintext-mechanisms-forbidden") == ()


def test_noplaintext_where_sasldb_serves_shared_secrets(tmp_path: Path) -> None:
    host = auxprop(tmp_path, "smtpd_sasl_security_options=noanonymous,noplaintext")
    assert [each.severity for each in ask(host, "plaintext-mechanisms-forbidden")] == [Severity.INFO]


def test_auth_in_main_cf_without_a_mechanism_costs_incoming_mail(tmp_path: Path) -> None:
    main = "smtpd_sasl_auth_enable = yes\nsmtpd_sasl_security_options = noanonymous, noactive\n"
    (finding,) = ask(mail_server(tmp_path, main), "no-mechanism-left")
    assert finding.impact is Impact.INCOMING_MAIL
    assert finding.evidence[0] == Evidence(
        "/etc/postfix/main.cf:6", "smtpd_sasl_security_options = noanonymous, noactive"
    )


def test_a_filter_of_exclusions_alone(tmp_path: Path) -> None:
    host = mail_server(tmp_path, master=submission("smtpd_sasl_mechanism_filter=!login"))
    (finding,) = ask(host, "mechanism-filter-leaves-nothing")
    assert finding.remedy.options[0].actions == (
        SetServiceOption("submission/inet", "smtpd_sasl_mechanism_filter", "!login,static:rest"),
        RestartUnit("postfix"),
    )


@pytest.mark.parametrize(
    ("written", "mended"),
    [("noanonymus", "noanonymous"), ("NoAnonymous,noplain_text", "noanonymous,noplaintext")],
)
def test_words_that_are_no_options(tmp_path: Path, written: str, mended: str) -> None:
    host = mail_server(tmp_path, master=submission(f"smtpd_sasl_security_options={written}"))
    (finding,) = ask(host, "security-option-unknown")
    assert finding.remedy == Remedy.safe(
        SetServiceOption("submission/inet", "smtpd_sasl_security_options", mended), RestartUnit("postfix")
    )


def test_anonymous(tmp_path: Path) -> None:
    (danger,) = ask(auxprop(tmp_path / "a", "smtpd_sasl_security_options="), "anonymous-logins-allowed")
    assert (danger.severity, danger.impact) == (Severity.ERROR, Impact.DANGER)
    listed = mail_server(tmp_path / "b", master=submission("smtpd_sasl_security_options="))
    assert [each.severity for each in ask(listed, "anonymous-logins-allowed")] == [Severity.INFO]


def test_auth_switched_off_on_submission(tmp_path: Path) -> None:
    host = mail_server(
        tmp_path, master=SMTP + "submission inet n - y - - smtpd\n  -o smtpd_tls_auth_only=yes\n"
    )
    assert ask(host, "auth-not-enabled") == (
        Finding(
            code="auth-not-enabled",
            stage=Stage.OFFERED,
            services=("submission",),
            summary="AUTH is switched off although people are meant to log in here",
            subject="smtpd_sasl_auth_enable",
            expected="smtpd_sasl_auth_enable = yes",
            found="smtpd_sasl_auth_enable = no",
            evidence=(Evidence("built-in default", "smtpd_sasl_auth_enable = no"),),
            proof="postconf -x smtpd_sasl_auth_enable",
            remedy=Remedy.safe(
                SetServiceOption("submission/inet", "smtpd_sasl_auth_enable", "yes"), ReloadUnit("postfix")
            ),
        ),
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("biff = no\n smtpd_sasl_auth_enable = yes\n", "continues biff"),
        ("smtpd_sasl_auth_enable = yes\nsmtpd_sasl_auth_enable = no\n", "overridden by a later line"),
    ],
)
def test_lines_that_were_meant_to_switch_it_on(tmp_path: Path, line: str, said: str) -> None:
    (finding,) = ask(
        mail_server(tmp_path, line, SMTP + "submission inet n - y - - smtpd\n"), "auth-not-enabled"
    )
    assert said in finding.evidence[-1].text
    assert finding.remedy.safety == "safe"


NETWORKS = [
    ("127.0.0.0/8 [::1]/128", Severity.INFO, Impact.SOME_LOGINS),
    ("$mynetworks", Severity.INFO, Impact.SOME_LOGINS),
    ("0.0.0.0/0", Severity.ERROR, Impact.ALL_LOGINS),
    ("static:all", Severity.ERROR, Impact.ALL_LOGINS),
    ("192.0.2.10/24", Severity.ERROR, Impact.ALL_LOGINS),
    ("192.0.2.0/24", Severity.ERROR, Impact.SOME_LOGINS),
]


@pytest.mark.parametrize(("value", "severity", "impact"), NETWORKS)
def test_from_whom_auth_is_hidden(tmp_path: Path, value: str, severity: Severity, impact: Impact) -> None:
    host = mail_server(tmp_path, f"smtpd_sasl_exceptions_networks = {value}\n")
    (finding,) = ask(host, "auth-hidden-by-exceptions-networks")
    assert (finding.severity, finding.impact) == (severity, impact)
    assert finding.remedy == Remedy.safe(
        RemoveParameter("smtpd_sasl_exceptions_networks"), ReloadUnit("postfix")
    )


def test_hiding_auth_on_port_25_may_be_meant(tmp_path: Path) -> None:
    main = "smtpd_sasl_auth_enable = yes\n"
    master = f"{SMTP}  -o smtpd_discard_ehlo_keywords=auth\n{SUBMISSION}"
    host = mail_server(tmp_path, main, master)
    assert [each.severity for each in ask(host, "auth-hidden-by-discard-keywords", "smtp")] == [Severity.INFO]


@pytest.mark.parametrize(
    ("keywords", "rest"),
    [
        ("AUTH, silent-discard", None),
        ("auth,pipelining", "pipelining"),
        ("silent-discard,chunking", "nothing found"),
        ("starttls", "nothing found"),
    ],
)
def test_discarded_keywords(tmp_path: Path, keywords: str, rest: str | None) -> None:
    name = "smtpd_discard_ehlo_keywords"
    findings = ask(mail_server(tmp_path, f"{name} = {keywords}\n"), "auth-hidden-by-discard-keywords")
    if rest == "nothing found":
        assert findings == ()
    else:
        change = SetParameter(name, rest) if rest else RemoveParameter(name)
        assert findings[0].remedy == Remedy.safe(change, ReloadUnit("postfix"))


def test_starttls_must_not_be_discarded_where_auth_needs_it(tmp_path: Path) -> None:
    options = ("smtpd_discard_ehlo_keywords=starttls", "smtpd_tls_security_level=encrypt")
    host = mail_server(tmp_path, master=submission(*options))
    assert [each.summary for each in ask(host, "auth-hidden-by-discard-keywords")] == [
        "STARTTLS is discarded from the EHLO answer"
    ]


def test_keywords_by_address_take_the_place_of_the_list(tmp_path: Path) -> None:
    main = "smtpd_discard_ehlo_keyword_address_maps = cidr:/etc/postfix/ehlo\n"
    host = mail_server(tmp_path, main, **{"etc/postfix/ehlo": "0.0.0.0/0 auth, dsn\n"})
    (finding,) = ask(host, "auth-hidden-by-discard-keywords")
    assert finding.subject == "smtpd_discard_ehlo_keyword_address_maps"


def test_the_old_name_of_smtpd_sasl_path(tmp_path: Path) -> None:
    main = "smtpd_sasl_application_name = {}\n"
    harmless = mail_server(tmp_path / "a", main.format("smtpd"))
    assert [each.severity for each in ask(harmless, "sasl-application-name-renamed")] == [Severity.INFO]
    other = mail_server(
        tmp_path / "b", main.format("mail"), **{"etc/postfix/sasl/mail.conf": "mech_list: PLAIN\n"}
    )
    (finding,) = ask(other, "sasl-application-name-renamed")
    assert finding.severity is Severity.ERROR


def test_advice_is_information(tmp_path: Path) -> None:
    host = mail_server(tmp_path, "smtpd_sasl_auth_enable = yes\n")
    for code in ("auth-on-port-25", "plaintext-without-tls", "broken-clients-not-helped"):
        assert [each.severity for each in ask(host, code, "smtp")] == [Severity.INFO], code
