"""Recorded hosts of older Debian releases: as their guides made them, and broken as the guides warn."""

import re
from pathlib import Path

import pytest

from maildoctor.debian.release import system
from maildoctor.diagnosis import Diagnosis, Verdict, diagnose
from maildoctor.host import TreeHost
from maildoctor.login_path import State
from tests.trees.tree import FIXTURES, as_root, change, grow

pytestmark = as_root

OTHERS = FIXTURES / "sasldb2/debian-12-10.db"
NOBODY = FIXTURES / "sasldb2/debian-12-none.db"

SASLDB_FAULTS = {
    "sasldb-missing-in-chroot": "rm $queue/etc/sasldb2",
    "sasldb-link-out-of-chroot": "ln -sf /etc/sasldb2 $queue/etc/sasldb2",
    "sasldb-unreadable": "chgrp $sasl etc/sasldb2; chmod 660 etc/sasldb2",
    "sasldb-stale-copy": f"cp --remove-destination {OTHERS} $queue/etc/sasldb2\n"
    "chgrp $postfix $queue/etc/sasldb2; chmod 640 $queue/etc/sasldb2",
    "sasldb-missing": "rm etc/sasldb2 $queue/etc/sasldb2",
    "sasldb-corrupt": "truncate -s 5000 etc/sasldb2",
    "sasldb-empty": f"cat {NOBODY} > etc/sasldb2",
    "sasldb-readable-by-others": "chmod 644 etc/sasldb2",
    "smtpd-conf-left-over": "mkdir -p etc/postfix/sasl\n"
    "echo pwcheck_method: saslauthd > etc/postfix/sasl/smtpd.conf",
    "auth-not-enabled": "sed -i /smtpd_sasl_auth_enable=yes/d etc/postfix/master.cf\n"
    "sed -i /smtpd_sasl_auth_enable/d etc/postfix/main.cf",
}
SASLAUTHD_FAULTS = {
    "saslauthd-start-not-yes": "sed -i s/^START=.*/START=no/ etc/default/saslauthd; rm -r $run",
    "saslauthd-socket-outside-chroot": "sed -i s:/var/spool/postfix:: etc/default/saslauthd; rm -r $run",
    "postfix-not-in-group-sasl": "sed -i 's/^\\(sasl:.*:\\)postfix$/\\1/' etc/group",
    "mech-list-unserved": "sed -i 's/^mech_list.*/mech_list: CRAM-MD5/' etc/postfix/sasl/smtpd.conf",
    "smtpd-conf-missing": "rm etc/postfix/sasl/smtpd.conf",
    "smtpd-conf-syntax": "sed -i 's/: / = /' etc/postfix/sasl/smtpd.conf",
    "pwcheck-method-unknown": "sed -i 's/saslauthd/pwcheck/' etc/postfix/sasl/smtpd.conf",
    "saslauthd-path-without-mux": "echo saslauthd_path: /var/run/saslauthd >> etc/postfix/sasl/smtpd.conf",
    "sasl-modules-missing": "rm usr/lib/*/sasl2/* usr/lib/sasl2/* 2> /dev/null || :\n"
    "sed -i '/^Package: libsasl2-modules$/,/^$/d' var/lib/dpkg/status",
}
DOVECOT_FAULTS = {
    "dovecot-socket-unreachable": "chown 0:0 $queue/private/auth",
    "dovecot-socket-path-wrong": "sed -i s:private/auth:private/dovecot: etc/postfix/master.cf",
    "dovecot-socket-outside-chroot": "sed -i s:=private:=/$queue/private: etc/postfix/master.cf",
    "dovecot-socket-missing": "rm $queue/private/auth etc/dovecot/conf.d/99-postfix.conf",
    "dovecot-not-enabled": "rm etc/systemd/system/multi-user.target.wants/dovecot.service",
    "sasl-type-dovecot-meant": "sed -i /smtpd_sasl_type/d etc/postfix/master.cf",
}
RELAY_FAULTS = {
    "relay-refuses-logged-in-clients": "sed -i 's/permit_sasl_authenticated,*//' etc/postfix/m*.cf",
}
GUIDE_FAULTS = {
    "anonymous-logins-allowed": "echo 'smtpd_sasl_security_options =' >> etc/postfix/main.cf",
    "relay-safeguard-missing": "sed -i 's/^ *reject_unauth/    permit_auth/' etc/postfix/main.cf",
}
HOSTS = {
    "debian-6/sasldb": SASLDB_FAULTS | RELAY_FAULTS | GUIDE_FAULTS,
    "debian-6/saslauthd": SASLAUTHD_FAULTS | RELAY_FAULTS,
    "debian-11/sasldb": SASLDB_FAULTS | RELAY_FAULTS,
    "debian-11/saslauthd": SASLAUTHD_FAULTS | RELAY_FAULTS,
    "debian-11/dovecot": DOVECOT_FAULTS | RELAY_FAULTS,
}
FAULTS = [(host, code) for host, faults in HOSTS.items() for code in faults]
PATHS = "queue=var/spool/postfix; run=$queue/var/run/saslauthd\n"


def grown(root: Path, host: str) -> Path:
    return grow(root, f"{host.partition('/')[0]}/common", host)


def diagnosed(root: Path) -> Diagnosis:
    return diagnose(TreeHost(str(root)))


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_as_its_guide_made_it_is_healthy(tmp_path: Path, host: str) -> None:
    found = diagnosed(grown(tmp_path, host))
    assert (found.verdict, found.root_causes) == (Verdict.HEALTHY, ())
    (submission,) = (path for path in found.paths if path.service.name == "submission")
    assert set(submission.stages.values()) == {State.OK}


@pytest.mark.parametrize(("host", "code"), FAULTS, ids=[f"{host}-{code}" for host, code in FAULTS])
def test_a_fault_is_named_first_and_alone(tmp_path: Path, host: str, code: str) -> None:
    root = grown(tmp_path, host)
    change(root, PATHS + HOSTS[host][code])
    assert [each.code for each in diagnosed(root).root_causes] == [code]


OLD_FAULTS = [(host, code) for host, code in FAULTS if host.startswith("debian-6")]


@pytest.mark.parametrize(("host", "code"), OLD_FAULTS, ids=[f"{host}-{code}" for host, code in OLD_FAULTS])
def test_commands_are_those_of_the_release(tmp_path: Path, host: str, code: str) -> None:
    """Debian 6 has no systemd, and its postconf edits main.cf alone."""
    root = grown(tmp_path, host)
    change(root, PATHS + HOSTS[host][code])
    tree = TreeHost(str(root))
    (cause,) = diagnose(tree).root_causes
    assert cause.remedy.options or cause.remedy.notes
    for option in cause.remedy.options:
        for command in option.commands(system(tree)):
            assert not re.search(r"systemctl|/etc/systemd|postconf -[PFMX]", command), command
