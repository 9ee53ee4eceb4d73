"""Who may relay: each form of restriction list, judged and mended."""

from dataclasses import replace
from pathlib import Path

import pytest

from maildoctor.finding import Evidence, Finding, Impact, Severity, Stage
from maildoctor.remedy import InstallPackages, ReloadUnit, Remedy, RestartUnit, SetParameter, SetServiceOption
from tests.checks.tree import SMTP, SUBMISSION, ask, mail_server

LAST = 5  # the line of main.cf at which a test's own text begins


def option(name: str, value: str) -> str:
    return f"{SMTP}{SUBMISSION}  -o {name}={value}\n"


WORKING = [
    "permit_mynetworks permit_sasl_authenticated defer_unauth_destination",
    "permit_sasl_authenticated,reject",
    "reject_non_fqdn_sender, reject_rbl_client zone.example, permit_sasl_authenticated, reject",
    "check_sasl_access hash:/etc/postfix/logins, reject",
    "users, reject",
    "warn_if_reject reject_unauth_destination, permit_sasl_authenticated, reject",
    "",
    "$others",
    "check_client_access static:DUNNO, permit_sasl_authenticated, reject",
    "permit",
]


@pytest.mark.parametrize("value", WORKING)
@pytest.mark.parametrize("parameter", ["smtpd_relay_restrictions", "smtpd_client_restrictions"])
def test_lists_that_let_logged_in_clients_pass(tmp_path: Path, parameter: str, value: str) -> None:
    host = mail_server(
        tmp_path,
        f"{parameter} = {value}\nsmtpd_restriction_classes = users\nusers = permit_sasl_authenticated\n"
        "others = permit_sasl_authenticated, reject\n",
        etc__postfix__logins="hoge@example.com OK\n",
        **{"etc__postfix__logins.db": ""},
    )
    assert ask(host, "relay-refuses-logged-in-clients") == ()


@pytest.mark.parametrize(
    "value",
    [
        "permit_mynetworks, reject_unauth_destination",
        "permit_mynetworks, defer_unauth_destination",
        "reject, permit_sasl_authenticated",
        "defer",
        "defer_if_permit",
        "permit_auth_destination, reject",
        "staff",
        "check_client_access static:REJECT, permit_sasl_authenticated",
    ],
)
@pytest.mark.parametrize(
    "parameter",
    ["smtpd_helo_restrictions", "smtpd_sender_restrictions", "smtpd_recipient_restrictions"],
)
def test_lists_that_refuse_logged_in_clients(tmp_path: Path, parameter: str, value: str) -> None:
    classes = "smtpd_restriction_classes = staff\nstaff = reject_unauth_pipelining, reject\n"
    (finding,) = ask(
        mail_server(tmp_path, f"{classes}{parameter} = {value}\n"), "relay-refuses-logged-in-clients"
    )
    assert (finding.severity, finding.subject, finding.found) == (Severity.ERROR, parameter, value)


def test_the_finding_is_whole_and_mends_in_place(tmp_path: Path) -> None:
    host = mail_server(
        tmp_path, "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination\n"
    )
    name, value = "smtpd_recipient_restrictions", "permit_mynetworks, reject_unauth_destination"
    mended = "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination"
    refusing = "reject_unauth_destination"
    assert ask(host, "relay-refuses-logged-in-clients") == (
        Finding(
            code="relay-refuses-logged-in-clients",
            stage=Stage.PERMITTED,
            services=("submission",),
            summary=f"{refusing} refuses clients who logged in: nothing before it lets them pass",
            subject=name,
            expected=f"permit_sasl_authenticated before reject_unauth_destination in {name}",
            found=value,
            evidence=(Evidence(f"/etc/postfix/main.cf:{LAST}", f"{name} = {value}"),),
            proof=f"postconf -x {name}",
            remedy=Remedy.safe(SetParameter(name, mended), ReloadUnit("postfix")),
        ),
    )


def test_a_list_of_one_service_is_mended_there(tmp_path: Path) -> None:
    host = mail_server(tmp_path, master=option("smtpd_relay_restrictions", "permit_mynetworks,reject"))
    (finding,) = ask(host, "relay-refuses-logged-in-clients")
    mended = "permit_mynetworks,permit_sasl_authenticated,reject"
    assert finding.remedy.options[0].actions[0] == SetServiceOption(
        "submission/inet", "smtpd_relay_restrictions", mended
    )


def test_a_permit_that_comes_too_late_is_moved(tmp_path: Path) -> None:
    host = mail_server(tmp_path, "smtpd_relay_restrictions = reject, permit_sasl_authenticated\n")
    (finding,) = ask(host, "relay-refuses-logged-in-clients")
    mended = SetParameter("smtpd_relay_restrictions", "permit_sasl_authenticated, reject")
    assert finding.remedy.options[0].actions[0] == mended


def test_what_cannot_be_judged_is_information(tmp_path: Path) -> None:
    host = mail_server(
        tmp_path, "smtpd_relay_restrictions = check_policy_service inet:127.0.0.1:10023, reject\n"
    )
    (finding,) = ask(host, "relay-refuses-logged-in-clients")
    assert (finding.severity, finding.summary) == (
        Severity.INFO,
        "whether a logged-in client passes reject depends on check_policy_service inet:127.0.0.1:10023",
    )


def test_without_delay_a_client_list_comes_before_the_login(tmp_path: Path) -> None:
    lists = "smtpd_client_restrictions = permit_mynetworks, permit_sasl_authenticated, reject\n"
    assert ask(mail_server(tmp_path / "a", lists), "relay-refuses-logged-in-clients") == ()
    early = mail_server(tmp_path / "b", f"{lists}smtpd_delay_reject = no\n")
    (finding,) = ask(early, "relay-refuses-logged-in-clients")
    assert finding.remedy == Remedy.safe(SetParameter("smtpd_delay_reject", "yes"), ReloadUnit("postfix"))


def test_owners_of_addresses(tmp_path: Path) -> None:
    check = "smtpd_sender_restrictions = reject_sender_login_mismatch\n"
    (finding,) = ask(mail_server(tmp_path / "a", check), "relay-refuses-logged-in-clients")
    assert finding.subject == "smtpd_sender_login_maps"
    host = mail_server(tmp_path / "b", f"{check}smtpd_sender_login_maps = hash:/etc/postfix/owners\n")
    assert ask(host, "relay-refuses-logged-in-clients") == ()
    assert [each.severity for each in ask(host, "sender-owner-checked")] == [Severity.INFO]


@pytest.mark.parametrize(
    ("relay", "mended"),
    [
        ("permit_mynetworks", "permit_mynetworks, reject_unauth_destination"),
        ("", "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination"),
        (
            "permit_mynetworks, permit, reject_unauth_destination",
            "permit_mynetworks, reject_unauth_destination",
        ),
    ],
)
def test_the_missing_safeguard(tmp_path: Path, relay: str, mended: str) -> None:
    host = mail_server(tmp_path, f"smtpd_relay_restrictions = {relay}\n")
    (finding,) = ask(host, "relay-safeguard-missing")
    assert finding.impact is Impact.INCOMING_MAIL
    assert finding.remedy == Remedy.safe(
        SetParameter("smtpd_relay_restrictions", mended), RestartUnit("postfix")
    )
    (same,) = ask(host, "relay-safeguard-missing", "smtp")
    assert replace(same, services=finding.services) == finding


def test_of_a_main_cf_that_is_no_text_nothing_is_said(tmp_path: Path) -> None:
    host = mail_server(tmp_path)
    (tmp_path / "etc/postfix/main.cf").write_text("compatibility_level = 0\n", encoding="utf-16")
    assert ask(host, "relay-safeguard-missing") == ()


def test_a_safeguard_in_either_list_will_do(tmp_path: Path) -> None:
    host = mail_server(
        tmp_path,
        "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit_sasl_authenticated, reject\n",
    )
    assert ask(host, "relay-safeguard-missing") == ()


@pytest.mark.parametrize(
    "main",
    [
        "mynetworks = 127.0.0.0/8 0.0.0.0/0\n",
        "mynetworks = 203.0.0.0/8\n",
        "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = check_helo_access static:OK, reject\n",
        "smtpd_relay_restrictions = check_client_access static:OK, reject\n",
        "smtpd_relay_restrictions = check_client_access static:permit, reject\n",
        "smtpd_relay_restrictions = check_client_access cidr:/etc/postfix/clients, reject\n",
    ],
)
def test_open_relays(tmp_path: Path, main: str) -> None:
    host = mail_server(tmp_path, main, etc__postfix__clients="192.0.2.7 DUNNO\n0.0.0.0/0 OK\n")
    (finding,) = ask(host, "open-relay", "smtp")
    assert (finding.severity, finding.impact) == (Severity.ERROR, Impact.DANGER)


@pytest.mark.parametrize(
    "main",
    [
        "",
        "mynetworks = 10.0.0.0/8 192.168.0.0/16 203.0.113.0/24\n",
        "smtpd_recipient_restrictions = permit_mynetworks, reject\nsmtpd_relay_restrictions = permit\n",
        "inet_interfaces = loopback-only\nmynetworks = 0.0.0.0/0\n",
        "smtpd_relay_restrictions = check_policy_service unix:p, reject_unauth_destination\n",
    ],
)
def test_closed_relays(tmp_path: Path, main: str) -> None:
    assert ask(mail_server(tmp_path, main), "open-relay", "smtp") == ()


def test_narrowing_mynetworks_keeps_what_is_one_s_own(tmp_path: Path) -> None:
    host = mail_server(tmp_path, "mynetworks = 127.0.0.0/8 0.0.0.0/0 192.0.2.0/24\n")
    (finding,) = ask(host, "open-relay", "smtp")
    assert finding.remedy.options[0].actions[0] == SetParameter("mynetworks", "127.0.0.0/8 192.0.2.0/24")


def test_a_misspelt_restriction_is_respelt_and_what_stands_behind_it_is_judged(tmp_path: Path) -> None:
    host = mail_server(
        tmp_path, "smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authentificated, reject\n"
    )
    (finding,) = ask(host, "restriction-unknown")
    mended = "permit_mynetworks, permit_sasl_authenticated, reject"
    assert finding.remedy == Remedy.safe(
        SetParameter("smtpd_relay_restrictions", mended), ReloadUnit("postfix")
    )
    assert ask(host, "relay-refuses-logged-in-clients") == ()


def test_two_faults_in_one_list_are_both_named(tmp_path: Path) -> None:
    host = mail_server(tmp_path, "smtpd_relay_restrictions = greylist, permit_mynetworks, reject\n")
    assert len(ask(host, "restriction-unknown")) == 1
    assert len(ask(host, "relay-refuses-logged-in-clients")) == 1


def test_a_table_without_its_index(tmp_path: Path) -> None:
    main = "smtpd_sender_restrictions = check_sender_access hash:/etc/postfix/senders\n"
    host = mail_server(tmp_path, main, etc__postfix__senders="spam.example REJECT\n")
    (finding,) = ask(host, "restriction-table-missing")
    assert (finding.subject, finding.remedy.notes) == (
        "/etc/postfix/senders.db",
        "postmap hash:/etc/postfix/senders",
    )
    (tmp_path / "etc/postfix/senders.db").touch()
    assert ask(mail_server(tmp_path, main), "restriction-table-missing") == ()


def test_a_table_of_a_type_that_a_package_would_bring(tmp_path: Path) -> None:
    main = "smtpd_client_restrictions = check_client_access pcre:/etc/postfix/clients\n"
    files = {"etc/postfix/clients": "/./ DUNNO\n", "etc/postfix/dynamicmaps.cf": "# dict-type so-name\n"}
    (finding,) = ask(mail_server(tmp_path, main, **files), "restriction-table-missing")
    assert finding.remedy.options[0].actions == (InstallPackages(("postfix-pcre",)), ReloadUnit("postfix"))
    files["etc/postfix/dynamicmaps.cf"] += "pcre /usr/lib/postfix/postfix-pcre.so dict_pcre_open\n"
    assert ask(mail_server(tmp_path, main, **files), "restriction-table-missing") == ()


def test_a_network_with_bits_behind_its_prefix(tmp_path: Path) -> None:
    host = mail_server(tmp_path, "mynetworks = 127.0.0.0/8 192.0.2.10/24\n")
    (finding,) = ask(host, "mynetworks-malformed")
    assert "192.0.2.10/24" in finding.summary


def test_a_class_without_definition(tmp_path: Path) -> None:
    host = mail_server(tmp_path, "smtpd_restriction_classes = a, b\na = reject\n")
    assert [each.summary for each in ask(host, "restriction-class-undefined")] == [
        "restriction class b is not defined, so smtpd ends at its start"
    ]
