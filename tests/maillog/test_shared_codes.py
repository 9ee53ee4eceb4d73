"""What a log shows has the code under which ``check`` finds the same fault."""

import pytest

from maildoctor.check import all_checks
from tests.maillog.lines import judged

HEADS = {
    "smtpd": "Nov  7 10:16:36 mail postfix/submission/smtpd[812]: ",
    "master": "Nov  7 10:16:36 mail postfix/master[12]: ",
    "smtps": "Nov  7 10:16:36 mail postfix/smtps/smtpd[812]: ",
    "alone": "Nov  7 10:16:36 mail master[444]: ",
    "dovecot": "Nov  7 10:16:36 mail dovecot: auth: ",
}
THROTTLED = [
    f"{HEADS['master']}warning: process /usr/lib/postfix/sbin/smtpd pid 812 exit status 1",
    f"{HEADS['master']}warning: /usr/lib/postfix/sbin/smtpd: bad command startup -- throttling",
]
SAID = (
    ("dovecot-passdb-missing", "dovecot", "Fatal: No passdbs specified in configuration file. PLAIN"),
    (
        "dovecot-mechanism-unserved",
        "dovecot",
        "Fatal: CRAM-MD5 mechanism can't be supported with given passdbs",
    ),
    ("dovecot-mechanism-unknown", "dovecot", "Fatal: Unknown authentication mechanism 'logn'"),
    ("dovecot-passdb-driver-missing", "dovecot", "Fatal: Unknown passdb driver 'ldap'"),
    ("dovecot-passdb-unprepared", "dovecot", "Error: passwd-file: missing passwd file: /etc/dovecot/users"),
    (
        "queue-space-short",
        "smtpd",
        "warning: not enough free space in mail queue: 9 bytes < 1.5*message size",
    ),
    (
        "proxy-filter-unanswered",
        "smtpd",
        "warning: connect to proxy filter 127.0.0.1:10024: Connection refused",
    ),
    ("mynetworks-malformed", "smtpd", "warning: mynetworks: bad net/mask pattern: 192.0.2.1/99"),
    ("tls-level-unknown", "smtpd", 'fatal: Invalid TLS level "yes"'),
    ("inet-interfaces-unusable", "smtpd", "fatal: config variable inet_interfaces: host not found: mail"),
    (
        "postfix-ground-missing",
        "master",
        "fatal: file main.cf: parameter mail_owner: unknown user name value: x",
    ),
    ("parameter-unexpandable", "smtpd", "fatal: dictionary mail_dict: macro processing error"),
    ("daemon-program-unusable", "master", "fatal: master_spawn: exec /usr/sbin/smtpd: Permission denied"),
    ("companion-service-missing", "smtpd", "warning: connect #1 to subsystem private/rewrite: No such file"),
    ("queue-subdirectory-impassable", "smtpd", "warning: connect to private/anvil: Permission denied"),
    ("daemon-program-unusable", "alone", "fatal: master_spawn: exec /usr/sbin/smtpd: Permission denied"),
    ("queue-subdirectory-impassable", "master", "fatal: remove private/tlsmgr: Permission denied"),
    ("service-name-unknown", "master", "fatal: 0.0.0.0:submision: Servname not supported for ai_socktype"),
    ("restriction-class-undefined", "smtpd", "fatal: restriction class `greylist' needs a definition"),
    ("tls-settings-unusable", "smtpd", 'warning: Invalid TLS protocol list "TLSv1.4": disabling TLS support'),
    (
        "companion-service-missing",
        "smtpd",
        "warning: connect #1 to subsystem private/rewrite: Connection refused",
    ),
    (
        "service-option-broken",
        "smtpd",
        "fatal: invalid \"-o a\" option value: missing '=' after attribute name",
    ),
    (
        "tls-client-certificate-required",
        "smtpd",
        "NOQUEUE: abort: TLS from x[1.2.3.4]: No client certificate presented",
    ),
    ("tls-wrappermode-missing", "smtps", "warning: non-SMTP command from x[1.2.3.4]: \\026\\003\\001\\002"),
    (
        "smtpd-limit-reached",
        "master",
        'warning: service "submission" (587) has reached its process limit "1": x',
    ),
)


@pytest.mark.parametrize(
    ("code", "program", "text"), SAID, ids=[f"{code}-{program}" for code, program, _ in SAID]
)
def test_a_log_names_the_fault_as_check_does(code: str, program: str, text: str) -> None:
    assert code in {each.code for each in all_checks()}
    ended = THROTTLED if text.startswith("fatal: ") else []
    assert judged([HEADS[program] + text, *ended]).incidents[0].code == code


def test_own_users_whose_sender_is_refused() -> None:
    client = "a.example.com[192.0.2.1]"
    denied = "554 5.7.1 <alice@example.com>: Sender address rejected: Access denied"
    lines = [
        f"{HEADS['smtpd']}NOQUEUE: reject: RCPT from {client}: {denied}; from=<alice@example.com>",
        f"{HEADS['smtpd']}disconnect from {client} ehlo=2 auth=1 mail=1 rcpt=0/1 quit=1 commands=5/6",
    ]
    assert judged(lines).incidents[0].code == "own-senders-refused"


def test_smtpd_without_a_single_mechanism_is_no_riddle() -> None:
    internal = "warning: SASL authentication failure: Internal Error -4 in ../../lib/server.c near line 1765"
    lines = [
        HEADS["smtpd"] + text
        for text in (
            internal,
            internal,
            "warning: xsasl_cyrus_server_get_mechanism_list: no mechanism available",
            "fatal: no SASL authentication mechanisms",
        )
    ]
    (incident,) = judged([*lines, *THROTTLED]).incidents
    assert (incident.code, incident.attempts) == ("sasl-modules-missing", 1)
    plugin = "Nov  7 10:16:36 mail postfix/smtpd[812]: unable to dlopen /usr/lib/libplain.so: wrong ELF"
    assert judged([plugin, *lines, *THROTTLED]).incidents[0].code == "sasl-plugin-broken"


def test_a_port_that_is_taken_comes_before_a_postfix_that_did_not_start() -> None:
    taken = [
        f"{HEADS['master']}fatal: bind 0.0.0.0 port 587: Address already in use",
        f"{HEADS['master']}fatal: daemon initialization failure -- see logs for details",
    ]
    assert [each.code for each in judged(taken).incidents] == ["port-taken-by-another-process"]
