"""What keeps master or an smtpd from starting: broken lines, values and names, each named by its line."""

import pytest

from maildoctor.check import Status, all_checks, run
from maildoctor.finding import Evidence, Finding, Impact, Severity
from maildoctor.host import CommandMissing, Output, TreeHost
from maildoctor.postfix.configuration import login_services, meant_for_logins
from maildoctor.remedy import (
    Option,
    ReloadUnit,
    Remedy,
    RemoveServiceOption,
    RestartUnit,
    SetParameter,
    SetServiceField,
    SetServiceOption,
)
from tests.postfix.conftest import MakeHost, make_host

__all__ = ["make_host"]

SMTP = "smtp inet n - y - - smtpd\n"
SUBMISSION = "submission inet n - y - - smtpd\n -o smtpd_sasl_auth_enable=yes\n"
MAIN_CF, MASTER_CF = "/etc/postfix/main.cf", "/etc/postfix/master.cf"
CONF = {"/etc/postfix/sasl/smtpd.conf": "pwcheck_method: saslauthd\n"}


def findings(host: TreeHost, code: str) -> list[Finding]:
    """Ask one check; it must neither be skipped nor crash."""
    check = next(check for check in all_checks() if check.code == code)
    services = login_services(host)
    meant = [each for each in services if meant_for_logins(host, each)]
    results = list(run(check, host, services if check.everywhere else meant))
    assert all(result.status in (Status.OK, Status.FOUND) for result in results), results
    return [finding for result in results for finding in result.findings]


CODES = (
    "main-cf-broken",
    "master-cf-broken",
    "service-option-broken",
    "parameter-unexpandable",
    "parameter-value-invalid",
    "parameter-misspelt",
    "submission-service-missing",
    "service-options-orphaned",
    "service-overridden",
    "service-name-unknown",
    "inet-interfaces-unusable",
)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize(
    ("main", "master"),
    [
        ("", SMTP + SUBMISSION),
        ("smtpd_sasl_auth_enable = YES\nsmtpd_timeout = 5m\nmy_own = $my_other\n", SMTP),
        ("smtp_sasl_auth_enable = yes\n", SMTP),
        (
            "inet_interfaces = all\ninet_protocols = ipv4\n",
            SMTP + "#submission inet n - y - - smtpd\n#  -o a=b\n",
        ),
    ],
)
def test_what_works_gives_nothing(make_host: MakeHost, code: str, main: str, master: str) -> None:
    assert findings(make_host(main, master), code) == []


def test_a_line_of_main_cf(make_host: MakeHost) -> None:
    (finding,) = findings(make_host("a = b\nsmtpd_sasl_path smtpd\n"), "main-cf-broken")
    why = "\"smtpd_sasl_path smtpd\" has no '=' right after the parameter's name"
    assert finding.evidence == (Evidence(f"{MAIN_CF}:2", why),)
    assert finding.summary == f"Postfix cannot read {MAIN_CF}, line 2: {why}"
    assert finding.impact is Impact.INCOMING_MAIL
    assert finding.remedy == Remedy.manual(f"Correct line 2 of {MAIN_CF}, then: systemctl restart postfix")


def test_random_bytes_are_three_findings_and_not_printed(make_host: MakeHost) -> None:
    found = findings(make_host(b"\x7fELF\x02\x01\n" * 30), "main-cf-broken")
    assert len(found) == 3
    assert "binary data has no '='" in found[0].summary


def test_a_line_of_master_cf(make_host: MakeHost) -> None:
    (finding,) = findings(make_host(master=SMTP + "-o a=b\n"), "master-cf-broken")
    assert finding.evidence[0].source == f"{MASTER_CF}:2"
    assert finding.severity is Severity.ERROR
    assert "auth-not-enabled" in finding.explains, "the option is not taken for the service above it"


def test_spaces_around_the_equals_sign_of_an_option(make_host: MakeHost) -> None:
    host = make_host(master=SUBMISSION + " -o smtpd_sasl_type = dovecot\n")
    (finding,) = findings(host, "service-option-broken")
    assert finding.evidence[0].source == f"{MASTER_CF}:3"
    assert (finding.services, finding.impact) == (("submission",), Impact.ALL_LOGINS)


@pytest.mark.parametrize("value", ["$a", "${b", "${b!c}"])
def test_a_value_that_cannot_be_expanded(make_host: MakeHost, value: str) -> None:
    (finding,) = findings(make_host(f"a = {value}\n"), "parameter-unexpandable")
    assert (finding.subject, finding.found) == ("a", value)


@pytest.mark.parametrize(
    ("main", "option", "source", "impact", "services"),
    [
        ("smtpd_sasl_auth_enable = 1\n", "", f"{MAIN_CF}:1", Impact.INCOMING_MAIL, ["smtp", "submission"]),
        ("", "smtpd_sasl_auth_enable=true", f"{MASTER_CF}:3", Impact.ALL_LOGINS, ["submission"]),
        ("", "smtpd_recipient_limit=many", f"{MASTER_CF}:3", Impact.ALL_LOGINS, ["submission"]),
        ("", "smtpd_timeout=30x", f"{MASTER_CF}:3", Impact.ALL_LOGINS, ["submission"]),
    ],
)
def test_a_value_that_smtpd_cannot_read(
    make_host: MakeHost, main: str, option: str, source: str, impact: Impact, services: list[str]
) -> None:
    master = SMTP + "submission inet n - y - - smtpd\n" + (f" -o {option}\n" if option else "")
    found = findings(make_host(main, master), "parameter-value-invalid")
    assert [each.services[0] for each in found] == services
    assert {(each.evidence[0].source, each.impact) for each in found} == {(source, impact)}


@pytest.mark.parametrize(
    ("line", "kinds"),
    [
        ("smtpd_timeout = 0", ["a time such as 30s, more than 0"]),
        ("smtpd_hard_error_limit = -1", ["a number, more than 0"]),
        ("smtpd_error_sleep_time = 0", []),
        ("smtpd_timeout = 10s", []),
        ("smtpd_tls_auth_only = yes\u00a0", ["yes or no"]),
    ],
)
def test_values_below_what_smtpd_takes(make_host: MakeHost, line: str, kinds: list[str]) -> None:
    found = findings(make_host(f"{line}\n", SUBMISSION), "parameter-value-invalid")
    assert [each.expected for each in found] == kinds


@pytest.mark.parametrize(
    ("master", "missing"), [(SMTP, True), (SMTP + "submission inet n - y smtpd\n", False)]
)
def test_a_line_that_cannot_be_read_is_not_a_missing_service(
    make_host: MakeHost, master: str, missing: bool
) -> None:
    host = make_host("smtpd_sasl_path = smtpd\n", master)
    assert bool(findings(host, "submission-service-missing")) == missing
    assert bool(findings(host, "master-cf-broken")) != missing


def test_the_misspelt_switch(make_host: MakeHost) -> None:
    host = make_host(master="submission inet n - y - - smtpd -o smtpd_sasl_auth_enabled=yes\n")
    (finding,) = findings(host, "parameter-misspelt")
    assert finding.severity is Severity.ERROR
    assert finding.remedy == Remedy.choice(
        Option(
            "spell",
            "smtpd_sasl_auth_enable becomes yes.",
            (
                RemoveServiceOption("submission/inet", "smtpd_sasl_auth_enabled"),
                SetServiceOption("submission/inet", "smtpd_sasl_auth_enable", "yes"),
                ReloadUnit("postfix"),
            ),
        )
    )


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("smtpd_sasl_security_option = noplaintext", "smtpd_sasl_security_options"),
        ("smtpd_tls_cert_files = /etc/cert.pem", "smtpd_tls_cert_file"),
        ("broken_sasl_auth_client = yes", "broken_sasl_auth_clients"),
        ("SMTPD_SASL_PATH = sasl", "smtpd_sasl_path"),
        ("\ufeffsmtpd_sasl_local_domain = a", None),
        ("smtpd_sasl_path = smtpd", None),
        ("my_sasl_notes = x", None),
        ("smtp_sasl_auth_enabled = yes", None),
    ],
)
def test_misspelt_names(make_host: MakeHost, line: str, meant: str | None) -> None:
    found = findings(make_host(line + "\n", SUBMISSION), "parameter-misspelt")
    assert [each.expected for each in found] == ([meant] if meant else [])
    assert {each.severity for each in found} <= {Severity.INFO}


def test_a_byte_order_mark_before_the_first_parameter(make_host: MakeHost) -> None:
    host = make_host("\ufeffsmtpd_sasl_local_domain = a\n", SUBMISSION)
    assert findings(host, "main-cf-broken") == []


@pytest.mark.parametrize(
    ("main", "master", "files"),
    [
        ("", SMTP, CONF),
        ("smtpd_sasl_path = private/auth\n", SMTP, {}),
        ("", SMTP + "submission unix n - y - - smtpd\n", {}),
        ("", SMTP + "submission inet n - y - - smtp\n", {}),
        ("", "", CONF),
    ],
)
def test_no_service_for_logins(make_host: MakeHost, main: str, master: str, files: dict[str, str]) -> None:
    (finding,) = findings(make_host(main, master, **files), "submission-service-missing")
    assert [option.name for option in finding.remedy.options] == ["submission", "smtp"]
    assert finding.services == ()


def test_a_service_of_the_wrong_type_is_set_right(make_host: MakeHost) -> None:
    host = make_host(master=SMTP + "submission unix n - y - - smtp\n", **CONF)
    (finding,) = findings(host, "submission-service-missing")
    assert finding.found == "submission unix n - y - - smtp"
    assert finding.remedy.options[0].actions == (
        SetServiceField("submission/unix", "type", "inet"),
        SetServiceField("submission/unix", "command", "smtpd"),
        RestartUnit("postfix"),
    )


@pytest.mark.parametrize(
    ("master", "lines"),
    [
        (SMTP + "#" + SUBMISSION, [(2, 3)]),
        (SMTP + "# submission inet n - y - - smtpd\n\n\t-o a=b\n", [(2, 4)]),
        (SMTP + "#submission inet n - y - - smtpd\n#  -o a=b\n  -o c=d\n", [(2, 4)]),
        (SMTP + "#submission inet n - y - - smtpd\n# a comment\n  -o c=d\n", []),
        (SMTP + "#submission inet n - y - - smtpd\nqmgr unix n - n 300 1 qmgr\n -o a=b\n", []),
    ],
)
def test_options_without_a_service(make_host: MakeHost, master: str, lines: list[tuple[int, int]]) -> None:
    found = findings(make_host(master=master), "service-options-orphaned")
    expected = [(f"{MASTER_CF}:{header}", f"{MASTER_CF}:{option}") for header, option in lines]
    assert [tuple(each.source for each in finding.evidence) for finding in found] == expected


@pytest.mark.parametrize(
    ("second", "severity"),
    [("submission inet n - y - - smtpd\n", Severity.ERROR), (SUBMISSION, Severity.INFO)],
)
def test_a_service_that_is_there_twice(make_host: MakeHost, second: str, severity: Severity) -> None:
    (finding,) = findings(make_host(master=SUBMISSION + second), "service-overridden")
    assert [each.source for each in finding.evidence] == [f"{MASTER_CF}:1", f"{MASTER_CF}:3"]
    assert finding.severity is severity


@pytest.mark.parametrize(
    ("name", "right"),
    [("submision", "submission"), ("192.0.2.1:smtpss", "192.0.2.1:smtps"), ("frobnicate", None)],
)
def test_a_service_without_a_port(make_host: MakeHost, name: str, right: str | None) -> None:
    (finding,) = findings(make_host(master=f"{name} inet n - y - - smtpd\n"), "service-name-unknown")
    actions = [action for option in finding.remedy.options for action in option.actions]
    field = SetServiceField(f"{name}/inet", "service", right or "")
    assert actions == ([field, RestartUnit("postfix")] if right else [])


@pytest.mark.parametrize(
    ("main", "why"),
    [
        ("inet_interfaces =\n", "inet_interfaces is empty"),
        ("inet_protocols = ipv5\n", "inet_protocols has the unknown word 'ipv5'"),
        ("inet_protocols = all, v4\n", "inet_protocols has the unknown word 'v4'"),
        (
            "inet_interfaces = 203.0.113.9\n",
            "inet_interfaces names 203.0.113.9, which this machine does not have",
        ),
        ("inet_interfaces = [2001:DB8::1], 127.0.0.1\n", None),
    ],
)
def test_addresses(make_host: MakeHost, monkeypatch: pytest.MonkeyPatch, main: str, why: str | None) -> None:
    from maildoctor.postfix.addresses import own

    host = make_host(main)
    monkeypatch.setattr(host, "live", True)
    own_addresses = frozenset({"127.0.0.1", "192.0.2.1", "2001:db8::1"})
    host.memory[(own.__wrapped__, ())] = (own_addresses, None)  # type: ignore[attr-defined]
    found = findings(host, "inet-interfaces-unusable")
    assert [each.summary for each in found] == ([f"Postfix cannot start: {why}"] if why else [])
    assert all(
        each.remedy.options[0].actions == (SetParameter(each.subject, "all"), RestartUnit("postfix"))
        for each in found
    )


@pytest.mark.parametrize(
    ("used", "here", "found"),
    [
        ("ipv6", {"192.0.2.1", "::1", "fe80::1"}, True),
        ("ipv4", {"2001:db8::1", "127.0.0.1"}, True),
        ("ipv6", {"192.0.2.1", "2001:db8::1"}, False),
        ("all", {"192.0.2.1"}, False),
        ("ipv4", {"127.0.0.1"}, False),
    ],
)
def test_a_version_of_ip_without_an_address(
    make_host: MakeHost, monkeypatch: pytest.MonkeyPatch, used: str, here: set[str], found: bool
) -> None:
    from maildoctor.postfix.addresses import own

    host = make_host(f"inet_protocols = {used}\n", SUBMISSION)
    monkeypatch.setattr(host, "live", True)
    host.memory[(own.__wrapped__, ())] = (frozenset(here), None)  # type: ignore[attr-defined]
    assert bool(findings(host, "clients-without-address")) is found


@pytest.mark.parametrize(
    ("main", "answer", "found"),
    [
        ("", Output(0, "a = b\n", ""), []),
        ("", Output(1, "", "postconf: fatal: out of luck\n"), ["out of luck"]),
        ("bare\n", Output(1, "", "postconf: fatal: main.cf, line 1: missing '='\n"), []),
        ("", CommandMissing("postconf"), ["postconf: command not found"]),
    ],
)
def test_postconf_does_not_answer(
    make_host: MakeHost,
    monkeypatch: pytest.MonkeyPatch,
    main: str,
    answer: Output | CommandMissing,
    found: list[str],
) -> None:
    def run_it(*command: str, timeout: float = 3.0) -> Output:
        if isinstance(answer, Output):
            return answer
        raise answer

    host = make_host(main, SUBMISSION)
    monkeypatch.setattr(host, "live", True)
    monkeypatch.setattr(host, "run", run_it)
    got = findings(host, "postconf-unusable")
    assert [(each.found, each.severity) for each in got] == [(text, Severity.ERROR) for text in found]
