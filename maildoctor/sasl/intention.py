"""Which verifier a service is meant to use, from all the host's evidence: saslauthd, sasldb or dovecot."""

from collections.abc import Iterator
from typing import NamedTuple

from maildoctor.fact import fact
from maildoctor.finding import Evidence
from maildoctor.host import Host
from maildoctor.postfix.service import Service
from maildoctor.sasl import sasldb
from maildoctor.sasl.method import method
from maildoctor.sasl.saslauthd import main_instance, reads_start
from maildoctor.sasl.saslauthd_daemon import at_boot, daemons
from maildoctor.sasl.smtpd_conf import SmtpdConf, effective
from maildoctor.sasl.stray_conf import left_behind, strays


class Intention(NamedTuple):
    """What is meant; ``verifier`` is None where the host leaves it open."""

    verifier: str | None
    saslauthd: tuple[Evidence, ...] = ()
    """What speaks for saslauthd."""
    sasldb: tuple[Evidence, ...] = ()
    """What speaks for sasldb2."""


@fact
def intention(host: Host, service: Service) -> Intention:
    """Weigh what the host says. Precedence: ``--auth``, Dovecot by smtpd_sasl_type, then the traces.

    Where smtpd.conf names saslauthd alone, it speaks for saslauthd unless nobody ever set that up while
    sasldb2 has users; without a file the traces decide.
    """
    if method(host, service).conf is None:
        return Intention("dovecot")
    saslauthd, users = tuple(traces_of_saslauthd(host, service)), tuple(traces_of_sasldb(host, service))
    named = method(host, service)
    if host.intended:
        return Intention(host.intended, saslauthd, users)
    if effective(host, service).found and not named.only("saslauthd"):
        return Intention(next((each.value for each in named.verifiers), None), saslauthd, users)
    if effective(host, service).found and not (users and not saslauthd):
        return Intention("saslauthd", saslauthd, users)
    return Intention(_by_traces(saslauthd, users), saslauthd, users)


def _by_traces(saslauthd: tuple[Evidence, ...], users: tuple[Evidence, ...]) -> str | None:
    if bool(saslauthd) == bool(users):
        return None
    return "saslauthd" if saslauthd else "sasldb"


def traces_of_saslauthd(host: Host, service: Service) -> Iterator[Evidence]:
    """Yield what shows that somebody set saslauthd up; its package alone and its shipped file do not."""
    instance = main_instance(host)
    if instance and reads_start(host) and instance.starts:
        yield Evidence.at(instance.defaults.get("START").source, "START=yes")
    if instance and instance.directory.value not in ("/var/run/saslauthd", "/run/saslauthd"):
        yield Evidence.at(instance.directory.source, f"-m {instance.directory.value}")
    if host.live and (running := daemons(host)):
        yield Evidence("ps", f"saslauthd runs, pid {running[0].pids[0]}")
    held = instance and reads_start(host) and not instance.starts
    if at_boot(host) and not held:  # up to Debian 11 the package itself makes that link
        yield Evidence("boot", "saslauthd is started at boot")
    if not effective(host, service).found:
        yield from (
            Evidence.at(conf.pwcheck_methods.source, "pwcheck_method: saslauthd")
            for conf in strays(host, service)
            if "saslauthd" in conf.pwcheck_methods.value and not left_behind(conf)
        )


def traces_of_sasldb(host: Host, service: Service) -> Iterator[Evidence]:
    """Yield what shows that somebody set sasldb2 up: users in any copy, or a file in the chroot.

    Raises Refused: without root, what it holds is not known.
    """
    seen = set()
    for find in (sasldb.inside, sasldb.outside):
        database = find(host, service)
        if database and database.accounts and database.path not in seen:
            seen.add(database.path)
            yield Evidence(database.path, f"{len(database.accounts)} users")
        elif database and find is sasldb.inside and service.chroot and database.path not in seen:
            seen.add(database.path)
            yield Evidence(database.path, "is there, inside the chroot")


def meant_conf(host: Host, service: Service) -> SmtpdConf:
    """Give the smtpd.conf in effect or, where there is none, the one that was probably meant."""
    conf = effective(host, service)
    if conf.found:
        return conf
    return next((each for each in strays(host, service) if not left_behind(each)), conf)


@fact
def needs_saslauthd(host: Host, service: Service) -> bool:
    """Tell whether saslauthd must answer for this service: its smtpd.conf names it, or it is meant."""
    if method(host, service).conf is None:
        return False
    if effective(host, service).found:
        return method(host, service).uses("saslauthd")
    return intention(host, service).verifier == "saslauthd"
