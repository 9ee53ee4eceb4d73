"""Configured: does smtpd_sasl_type say Dovecot where Dovecot is meant?"""

from collections.abc import Iterator

from maildoctor.check import check
from maildoctor.dovecot.daemon import installed
from maildoctor.dovecot.socket import endpoint
from maildoctor.finding import Evidence, Finding, Stage
from maildoctor.host import Host
from maildoctor.postfix.service import Service
from maildoctor.postfix.setting import assign, assign_here, evidence, proof, unset
from maildoctor.remedy import Action, Option, Remedy, RestartUnit
from maildoctor_checks._dovecot import listener_at

OF_SASLAUTHD = ("/mux", "/saslauthd")
"""Ends of a path that somebody wrote who meant saslauthd."""
TYPE, PATH = "smtpd_sasl_type", "smtpd_sasl_path"


@check(
    Stage.CONFIGURED,
    explains=(
        "smtpd-conf-missing",
        "smtpd-conf-misplaced",
        "sasldb-missing",
        "sasldb-missing-in-chroot",
        "sasldb-unreadable",
        "sasldb-empty",
        "sasldb-realm-mismatch",
        "sasldb-plugin-missing",
        "sasl-modules-missing",
    ),
)
def sasl_type_dovecot_meant(host: Host, service: Service) -> Iterator[Finding]:
    """Dovecot is meant, but smtpd asks Cyrus SASL.

    What:
        smtpd_sasl_path is the path of a socket, and smtpd_sasl_type is cyrus, Postfix's default. For Cyrus
        the path is the name of a configuration file that is not there; smtpd falls back to sasldb2, and every
        login is answered with 535.
    Why:
        The two parameters belong together: smtpd_sasl_type = dovecot says that smtpd_sasl_path is a socket.
        Often only one of them stands below the service in master.cf.
    Start: dovecot
    Break:
        postconf -X smtpd_sasl_type
        systemctl restart postfix
    Mend:
        postconf -e smtpd_sasl_type=dovecot
        systemctl restart postfix
    Safety:
        Safe where Dovecot is told to listen at that path. Otherwise a choice between Dovecot and Cyrus.
    See: SASL_README, postconf(5) on smtpd_sasl_type
    """
    path = service.parameter(PATH)
    if service.parameter(TYPE).value.strip() not in ("cyrus", "") or "/" not in path.value:
        return
    if path.value.rstrip("/").endswith(OF_SASLAUTHD):
        return  # sasl-config-path-wrong says so.
    where = endpoint(service)
    listener = listener_at(host, where.on_host) or listener_at(host, where.path)
    told = (Evidence.at(listener.source, f"unix_listener {listener.path}"),) if listener else ()
    yield Finding(
        summary=f"{PATH} = {path.value} is a socket of Dovecot, but {TYPE} is cyrus",
        subject=TYPE,
        expected="dovecot",
        found=service.parameter(TYPE).value or "cyrus",
        evidence=(evidence(service, TYPE), evidence(service, PATH), *told),
        proof=proof(service, TYPE, PATH),
        remedy=_remedy(host, service, bool(listener)),
    )


def _remedy(host: Host, service: Service, listens: bool) -> Remedy:
    # Below the service if smtpd_sasl_path stands there: other services may well use Cyrus.
    here = PATH in service.options and TYPE not in service.options
    name: Action = assign_here(service, TYPE, "dovecot") if here else assign(service, TYPE, "dovecot")
    dovecot = (name, RestartUnit("postfix"))
    if host.intended != "saslauthd" and host.intended != "sasldb" and listens and installed(host):
        return Remedy.safe(*dovecot)
    return Remedy.choice(
        Option("dovecot", "Dovecot verifies the passwords.", dovecot),
        Option(
            "cyrus",
            "Cyrus SASL does, as its own smtpd.conf says.",
            (unset(service, PATH), RestartUnit("postfix")),
        ),
    )
