"""What several checks of smtpd.conf say alike."""

from maildoctor.finding import Impact
from maildoctor.host import Host
from maildoctor.postfix import tls
from maildoctor.postfix.configuration import login_services

KILLS_SMTPD = ("no-mechanism-left", "service-throttled", "service-not-listening")
"""Consequences of an smtpd that ends at its start."""

OF_SASLDB = (
    "sasldb-missing",
    "sasldb-missing-in-chroot",
    "sasldb-link-out-of-chroot",
    "sasldb-unreadable",
    "sasldb-stale-copy",
    "sasldb-corrupt",
    "sasldb-empty",
    "sasldb-realm-mismatch",
    "sasldb-arguments-swapped",
    "sasldb-plugin-missing",
)
"""What would not matter if saslauthd were asked, as it is meant to be."""


def deadly(host: Host) -> Impact:
    """Give the impact of an smtpd.conf at which smtpd dies: port 25 too, if AUTH is enabled there."""
    with_auth = (each for each in login_services(host) if each.flag("smtpd_sasl_auth_enable"))
    public = any(each.port == 25 and tls.reaches_sasl(host, each) for each in with_auth)
    return Impact.INCOMING_MAIL if public else Impact.ALL_LOGINS
