"""Who verifies the passwords of a service, as the configuration in effect says: the verifiers, by name."""

from typing import NamedTuple

from maildoctor.fact import fact
from maildoctor.host import Host
from maildoctor.postfix.service import Service
from maildoctor.sasl.smtpd_conf import SmtpdConf, effective
from maildoctor.source import Sourced

PWCHECK_METHODS = ("auxprop", "saslauthd", "authdaemond", "alwaystrue")
"""Compiled into Debian's libsasl2; others it knows not, and says so only at a login."""
SHARED_SECRET = ("CRAM-MD5", "DIGEST-MD5", "SCRAM-", "NTLM", "OTP", "SRP")
"""Mechanisms (or their beginnings) that need the password itself, which only auxprop's plugins can give."""
PLAINTEXT = ("PLAIN", "LOGIN")
"""Mechanisms that pwcheck_method is for."""


class Method(NamedTuple):
    """How one service's passwords are verified."""

    verifiers: tuple[Sourced[str], ...]
    """In the order of trial: ``saslauthd``, ``sasldb``, ``sql``, ``ldapdb``, ``authdaemond``, ``alwaystrue``,
    ``dovecot``, or another plugin's or type's name."""
    conf: SmtpdConf | None
    """The smtpd.conf in effect; None where smtpd asks Dovecot."""

    def uses(self, verifier: str) -> bool:
        """Tell whether passwords are, perhaps among others, verified by ``verifier``."""
        return any(each.value == verifier for each in self.verifiers)

    def only(self, verifier: str) -> bool:
        """Tell whether nothing but ``verifier`` verifies passwords."""
        return [each.value for each in self.verifiers] == [verifier]


@fact
def method(host: Host, service: Service) -> Method:
    """Give the verifiers of a service, AUTH enabled or not. Raises CannotLook."""
    kind = service.parameter("smtpd_sasl_type")
    if kind.value.strip() not in ("cyrus", ""):
        return Method((Sourced(kind.value.strip(), kind.source),), None)
    conf = effective(host, service)
    known = [word for word in conf.pwcheck_methods.value if word in PWCHECK_METHODS]
    verifiers: list[Sourced[str]] = []
    for word in dict.fromkeys(known):
        verifiers += plugins(conf) if word == "auxprop" else [Sourced(word, conf.pwcheck_methods.source)]
    return Method(tuple(verifiers), conf)


def plugins(conf: SmtpdConf) -> list[Sourced[str]]:
    """Give the auxprop plugins that are asked; without auxprop_plugin all that are installed: sasldb is."""
    value = conf.get("auxprop_plugin")
    if value is None:
        return [Sourced("sasldb", conf.pwcheck_methods.source)]
    return [Sourced(word, value.source) for word in value.value.lower().split()]


def needs_secret(mechanism: str) -> bool:
    """Tell whether a mechanism is served by auxprop's plugins alone, whatever pwcheck_method says."""
    return mechanism.startswith(SHARED_SECRET)
