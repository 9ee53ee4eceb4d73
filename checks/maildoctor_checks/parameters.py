"""Are parameters spelt right, and do they have values that smtpd can read?"""

from collections.abc import Iterator, Mapping

from maildoctor.check import check
from maildoctor.finding import Evidence, Finding, Severity, Stage
from maildoctor.host import CannotLook, Host
from maildoctor.postfix.configuration import MAIN_CF, main, meant_for_logins, postconf, version
from maildoctor.postfix.defaults import of_version
from maildoctor.postfix.service import Service
from maildoctor.postfix.setting import assign, assign_here, cost, evidence, proof, unset
from maildoctor.postfix.value import POSITIVE, expected, fits, too_small
from maildoctor.remedy import Option, ReloadUnit, Remedy, RestartUnit, SetParameter
from maildoctor.source import Sourced

LIKENESS = 0.86
ENABLE = "smtpd_sasl_auth_enable"
SMTPD_READS = ("smtpd_", "broken_sasl_", "tls_", "max_idle", "max_use", "strict_", "append_", "disable_dns")
"""Beginnings of parameters that smtpd reads at its start."""


@check(Stage.LISTENING, everywhere=True, explains=("service-throttled", "auth-not-enabled"))
def parameter_value_invalid(host: Host, service: Service) -> Iterator[Finding]:
    """A parameter has a value that smtpd cannot read.

    What:
        A parameter that is yes or no, a number or a time holds something else.
    Why:
        smtpd reads all its parameters when it starts. It ends with "fatal: bad boolean configuration" or
        "bad numerical configuration", and master throttles the service.
    Start: saslauthd-chroot
    Break:
        postconf -P submission/inet/smtpd_sasl_auth_enable=true
        systemctl restart postfix
    Mend:
        postconf -P submission/inet/smtpd_sasl_auth_enable=yes
        systemctl restart postfix
    Safety:
        A choice where the value was to mean yes or no. Otherwise manual: the default may not be what was
        meant.
    See: postconf(5)
    """
    defaults = of_version(version(host))
    written = {**main(host).parameters, **service.options}
    for name in written:
        kind = expected(name, defaults) if name.startswith(SMTPD_READS) else None
        value = service.parameter(name)
        if kind is None or (fits(value.value, kind) and not too_small(name, value.value)):
            continue
        kind = f"{kind}, more than 0" if name in POSITIVE else kind
        yield Finding(
            summary=f"smtpd cannot start: {name} is {value.value!r} and should be {kind}",
            subject=name,
            impact=cost(host, service, name),
            expected=kind,
            found=value.value,
            evidence=(evidence(service, name),),
            proof=proof(service, name),
            remedy=_other_value(service, name, defaults[name], kind),
        )


@check(Stage.OFFERED, everywhere=True, explains=("auth-not-enabled", "sasl-type-unsupported"))
def parameter_misspelt(host: Host, service: Service) -> Iterator[Finding]:
    """A parameter's name is spelt wrong, so that it sets nothing.

    What:
        main.cf or an -o option names a parameter that does not exist and is much like one of SASL's or
        TLS's.
    Why:
        Postfix takes any name: it might be used as $name somewhere. postconf alone warns of an "unused
        parameter".
    Start: saslauthd-chroot
    Break:
        postconf -PX submission/inet/smtpd_sasl_auth_enable
        postconf -P submission/inet/smtpd_sasl_auth_enabled=yes
        systemctl restart postfix
    Mend:
        postconf -PX submission/inet/smtpd_sasl_auth_enabled
        postconf -P submission/inet/smtpd_sasl_auth_enable=yes
        postfix reload
    Safety:
        A choice: the value comes into force.
    See: postconf(1), postconf(5)
    """
    known = of_version(version(host))
    for name, value in (*_in_main(host, service), *service.options.items()):
        meant = _meant(name, known)
        if meant is None or service.parameter(meant).value == value.value or _used(host, name):
            continue
        yield _misspelt(service, name, meant, value)


def _misspelt(service: Service, name: str, meant: str, value: Sourced[str]) -> Finding:
    stops = meant == ENABLE and value.value.lower() == "yes" and not service.flag(ENABLE)
    shown = name.lstrip("\ufeff")
    return Finding(
        summary=f"{shown} is no parameter of Postfix; {meant} was meant"
        if shown != meant
        else f"a byte order mark stands before {meant}, so that the line sets nothing",
        subject=shown,
        severity=Severity.ERROR if stops else Severity.INFO,
        expected=meant,
        found=shown,
        evidence=(Evidence.at(value.source, f"{shown} = {value.value}".rstrip()),),
        proof=f"postconf -P {service.entry}/{name}"
        if name in service.options
        else "postconf 2>&1 >/dev/null | grep 'unused parameter'",
        remedy=_spell(service, name, meant, value.value),
    )


def _in_main(host: Host, service: Service) -> list[tuple[str, Sourced[str]]]:
    """Give main.cf's own parameters for a service on which people are meant to log in."""
    return list(main(host).parameters.items()) if meant_for_logins(host, service) else []


def _used(host: Host, name: str) -> bool:
    """Tell whether postconf knows a parameter after all: as new in its version, or used as $name."""
    try:
        answer = postconf(host)
    except CannotLook:
        return False
    unused = f"unused parameter: {name}="
    return name.isascii() and not answer.failure and not any(unused in line for line in answer.warnings)


def _meant(name: str, known: Mapping[str, str]) -> str | None:
    """Give the parameter of SASL or TLS for which a name was meant; None where it is one, or like none."""
    bare = name.lstrip("\ufeff").lower()
    if name in known or name.startswith(("smtp_", "lmtp_")):
        return None
    if bare in known and _matters(bare):
        return bare
    if not ("sasl" in bare or "auth" in bare or bare.startswith("smtpd_tls")):
        return None
    from difflib import get_close_matches

    near = get_close_matches(bare, [each for each in known if _matters(each)], 1, LIKENESS)
    return near[0] if near else None


def _matters(name: str) -> bool:
    return "sasl" in name or name.startswith("smtpd_tls_")


def _other_value(service: Service, name: str, default: str, kind: str) -> Remedy:
    if kind != "yes or no":
        return Remedy.choice(
            Option("default", f"{default} holds again.", (unset(service, name), RestartUnit("postfix")))
        )
    return Remedy.choice(
        *(
            Option(word, f"{name} becomes {word}.", (assign(service, name, word), RestartUnit("postfix")))
            for word in ("yes", "no")
        )
    )


def _spell(service: Service, name: str, meant: str, value: str) -> Remedy:
    if not name.isascii():
        return Remedy.manual(f"Save {MAIN_CF} without a byte order mark, then: postfix reload")
    right = assign_here(service, meant, value) if name in service.options else SetParameter(meant, value)
    actions = (unset(service, name), right, ReloadUnit("postfix"))
    return Remedy.choice(Option("spell", f"{meant} becomes {value or 'empty'}.", actions))
