"""Unusual, but legal: the repair hits the right place and changes no other line; undo gives back every byte.

``changed`` are the lines that go and come, in all files of the configuration together.
"""

import difflib
from dataclasses import dataclass

import pytest

from tests.hosts.arrangements import ARRANGEMENTS, arranged
from tests.hosts.doctor import ask, wait_for_login
from tests.hosts.machine import Host
from tests.hosts.repair import differences, fix, inventory, undo
from tests.hosts.story import works

pytestmark = pytest.mark.host

ODD_MASTER_CF = r"""
sed -i '/^submission /,$d' /etc/postfix/master.cf
cat >> /etc/postfix/master.cf <<END
# people
submission	inet	n	-	y	-	-	smtpd
# AUTH
	-o smtpd_sasl_auth_enable=yes

    # relaying, with spaces
  -o { smtpd_relay_restrictions = permit_sasl_authenticated, reject }
  -o syslog_name=postfix/submission
# end of people
END
"""
NO_AUTH = "sed -i 's/auth_enable=yes/auth_enable=no/' /etc/postfix/master.cf; systemctl restart postfix"
NOT_IN_GROUP = "gpasswd -d postfix sasl; systemctl restart postfix"
HIDDEN = "echo 'smtpd_discard_ehlo_keywords=AUTH' >> /etc/postfix/main.cf; systemctl restart postfix"
OUT_OF_MAIN = ("-smtpd_discard_ehlo_keywords=AUTH",)


@dataclass(frozen=True)
class Odd:
    """``setup`` makes the host odd, ``script`` breaks it."""

    start: str
    setup: str
    script: str
    code: str
    changed: tuple[str, ...]
    releases: tuple[str, ...] = ("bookworm", "trixie")


HOSTS = {
    "comments and tabs in a master.cf entry": Odd(
        "saslauthd-chroot",
        ODD_MASTER_CF,
        NO_AUTH,
        "auth-not-enabled",
        ("-	-o smtpd_sasl_auth_enable=no", "+	-o smtpd_sasl_auth_enable=yes"),
    ),
    "Debian's own comments in the entry, and a port for a name": Odd(
        "submissions-465",
        "sed -i 's/^submissions /465 /' /etc/postfix/master.cf",
        NO_AUTH,
        "auth-not-enabled",
        ("-  -o smtpd_sasl_auth_enable=no", "+  -o smtpd_sasl_auth_enable=yes"),
    ),
    "an address in master.cf": Odd(
        "saslauthd-chroot",
        "sed -i 's/^submission /192.0.2.10:submission /' /etc/postfix/master.cf",
        NO_AUTH,
        "auth-not-enabled",
        ("-    -o smtpd_sasl_auth_enable=no", "+    -o smtpd_sasl_auth_enable=yes"),
    ),
    "a parameter of the admin's own": Odd(
        "sasldb",
        "postconf -e people=yes 'submission_checks = permit_sasl_authenticated, reject';"
        "postconf -P 'submission/inet/smtpd_sasl_auth_enable=$people'",
        "postconf -e people=no; systemctl restart postfix",
        "auth-not-enabled",
        ("-    -o smtpd_sasl_auth_enable=$people", "+    -o smtpd_sasl_auth_enable=yes"),
        ("bookworm",),
    ),
    "in main.cf and in master.cf": Odd(
        "dovecot",
        "postconf -P submission/inet/smtpd_sasl_path=private/auth",
        "postconf -P submission/inet/smtpd_sasl_path=private/nowhere; systemctl restart postfix",
        "dovecot-socket-path-wrong",
        ("-    -o smtpd_sasl_path=private/nowhere", "+    -o smtpd_sasl_path=private/auth"),
    ),
    "a value of several lines, with comments": Odd(
        "relay-as-debian-ships",
        r"""sed -i '/^smtpd_relay_restrictions/d' /etc/postfix/main.cf
        printf '%s\n' 'smtpd_relay_restrictions =' '    # ours' '    permit_mynetworks,' '# and people' \
            '    permit_sasl_authenticated,' '    reject_unauth_destination' >> /etc/postfix/main.cf""",
        "sed -i '/^    permit_sasl_authenticated,/d' /etc/postfix/main.cf; systemctl restart postfix",
        "relay-refuses-logged-in-clients",
        (
            "-smtpd_relay_restrictions =",
            "+smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated,"
            " reject_unauth_destination",
            "-    permit_mynetworks,",
            "-    reject_unauth_destination",
        ),
    ),
    "main.cf is a link": Odd(
        "sasldb",
        "mkdir /srv/mail; mv /etc/postfix/main.cf /srv/mail/; ln -s /srv/mail/main.cf /etc/postfix/main.cf",
        HIDDEN,
        "auth-hidden-by-discard-keywords",
        OUT_OF_MAIN,
        ("trixie",),
    ),
    "the whole directory is a link": Odd(
        "sasldb",
        """systemctl stop postfix; mkdir /srv/mail; mv /etc/postfix /srv/mail/
        ln -s /srv/mail/postfix /etc/postfix""",
        HIDDEN,
        "auth-hidden-by-discard-keywords",
        OUT_OF_MAIN,
        ("bookworm",),
    ),
    "ACL and attributes": Odd(
        "sasldb",
        "setfacl -m u:mail:r /etc/postfix/main.cf; setfattr -n user.note -v mine /etc/postfix/main.cf",
        HIDDEN,
        "auth-hidden-by-discard-keywords",
        OUT_OF_MAIN,
        ("bookworm",),
    ),
    "two names, no newline at the end": Odd(
        "sasldb",
        "mkdir /srv/mail; ln /etc/postfix/main.cf /srv/mail/main.cf",
        r"printf 'smtpd_discard_ehlo_keywords=AUTH' >> /etc/postfix/main.cf; systemctl restart postfix",
        "auth-hidden-by-discard-keywords",
        OUT_OF_MAIN * 2,
        ("trixie",),
    ),
    "quotes and comments in /etc/default/saslauthd": Odd(
        "saslauthd-chroot",
        r"""sed -i -e '/^START/d' -e '/^OPTIONS/d' /etc/default/saslauthd
        printf '%s\n' "OPTIONS='-c -m /var/spool/postfix/var/run/saslauthd'  # inside" '  START="yes"' \
            >> /etc/default/saslauthd
        systemctl restart saslauthd""",
        "sed -i 's/\"yes\"/no/' /etc/default/saslauthd; systemctl restart saslauthd",
        "saslauthd-start-not-yes",
        ("-  START=no", "+START=yes"),
        ("bookworm",),
    ),
    "smtpd.conf by hand": Odd(
        "saslauthd-chroot",
        "printf '# by hand\n\npwcheck_method:saslauthd\n# these\nmech_list:   PLAIN LOGIN'"
        " > /etc/postfix/sasl/smtpd.conf",
        "sed -i 's/PLAIN LOGIN/CRAM-MD5/' /etc/postfix/sasl/smtpd.conf; systemctl restart postfix",
        "mech-list-unserved",
        ("-mech_list:   CRAM-MD5", "+mech_list: PLAIN LOGIN"),
        ("trixie",),
    ),
    "the socket behind a relative link": Odd(
        "saslauthd-chroot",
        """systemctl stop saslauthd; cd /var/spool/postfix; mkdir -p run; mv var/run/saslauthd run/
        rmdir var/run; ln -s ../run var/run; systemctl start saslauthd""",
        NOT_IN_GROUP,
        "postfix-not-in-group-sasl",
        ("-sasl:x:45:", "+sasl:x:45:postfix"),
        ("trixie",),
    ),
    "a group with sixty members": Odd(
        "saslauthd-chroot",
        "for i in $(seq 60); do useradd u$i; gpasswd -a u$i sasl > /dev/null; done",
        NOT_IN_GROUP,
        "postfix-not-in-group-sasl",
        tuple(
            f"{sign}sasl:x:45:{','.join(f'u{number}' for number in range(1, 61))}{more}"
            for sign, more in (("-", ""), ("+", ",postfix"))
        ),
        ("bookworm",),
    ),
}


@pytest.mark.parametrize(
    ("release", "name"), [(release, name) for name, odd in HOSTS.items() for release in odd.releases]
)
def test_only_what_must_change(release: str, name: str) -> None:
    odd = HOSTS[name]
    arrangement = ARRANGEMENTS[odd.start]
    with arranged(release, odd.start) as host:
        host.sh(f"{odd.setup}\nsystemctl restart postfix")
        wait_for_login(host, arrangement)
        assert ask(host).causes == []
        host.sh(odd.script)
        assert not arrangement.login(host).works
        answer = ask(host)
        assert answer.causes == [odd.code], answer
        before, texts = inventory(host), configuration(host)
        choice = answer.finding(odd.code)["remedy"]["safety"] == "choice"
        done = fix(host, "--yes", *([f"--accept={odd.code}"] if choice else []))
        assert done["mended"] == [odd.code], done
        assert works(host, arrangement, within_tls=False)
        assert changed(texts, configuration(host)) == list(odd.changed)
        assert not any(".maildoctor" in path for path in inventory(host)[0])
        undo(host)
        assert configuration(host) == texts
        assert differences(before, inventory(host)) == []


def configuration(host: Host) -> dict[str, str]:
    """The text of every file that an admin edits here."""
    places = "/etc/postfix /etc/default /etc/dovecot /etc/group /srv/mail"
    found = host.sh(f"find {places} -type f ! -name '*.db' 2> /dev/null || true").stdout
    return {path: host.read(path) for path in sorted(found.split())}


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """The lines that went and came."""
    assert before.keys() == after.keys()
    found = []
    for path, text in before.items():
        lines = difflib.unified_diff(text.splitlines(), after[path].splitlines(), n=0, lineterm="")
        found += [line for line in lines if not line.startswith(("---", "+++", "@@"))]
    return found
