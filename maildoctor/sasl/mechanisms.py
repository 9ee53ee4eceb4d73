"""Which SASL mechanisms are left for smtpd to offer, before TLS and within it.

Mechanisms come from Cyrus SASL's plugins or from Dovecot; mech_list, smtpd_sasl_security_options and
smtpd_sasl_mechanism_filter each take some away. Properties: Cyrus SASL's plugins (``security_flags``),
Dovecot's mech-*.c; who compares them: xsasl_cyrus_server.c, xsasl_dovecot_server.c.
"""

from collections.abc import Iterator
from typing import NamedTuple

from maildoctor.debian.packages import package
from maildoctor.fact import fact
from maildoctor.host import CannotLook, Host, Missing
from maildoctor.pattern import pattern
from maildoctor.postfix import tls
from maildoctor.postfix.restrictions import words
from maildoctor.postfix.service import Service
from maildoctor.sasl.smtpd_conf import effective

PLUGIN = pattern(r"lib(\w+)\.so")
PLUGIN_LIMIT = 16 * 1024 * 1024
ELF = b"\x7fELF"
PLAINTEXT = frozenset({"PLAIN", "LOGIN"})
OPTIONS = frozenset(
    {"noplaintext", "noactive", "nodictionary", "noanonymous", "forward_secrecy", "mutual_auth"}
)
"""The words of smtpd_sasl_security_options: postconf(5)."""

PLUGINS = {
    "anonymous": ("ANONYMOUS",),
    "crammd5": ("CRAM-MD5",),
    "digestmd5": ("DIGEST-MD5",),
    "gssapiv2": ("GSSAPI", "GSS-SPNEGO"),
    "login": ("LOGIN",),
    "ntlm": ("NTLM",),
    "otp": ("OTP",),
    "passdss": ("PASSDSS-3DES-1",),
    "plain": ("PLAIN",),
    "scram": ("SCRAM-SHA-1", "SCRAM-SHA-224", "SCRAM-SHA-256", "SCRAM-SHA-384", "SCRAM-SHA-512"),
    "srp": ("SRP",),
}
"""Mechanisms by the plugin's file, without ``lib`` and ``.so``."""

OF_PACKAGE = ("ANONYMOUS", "CRAM-MD5", "DIGEST-MD5", "LOGIN", "NTLM", "PLAIN", *PLUGINS["scram"])
"""What Debian's libsasl2-modules brings."""

CYRUS_MEETS = {
    "ANONYMOUS": words("noplaintext"),
    "PLAIN": words("noanonymous"),
    "LOGIN": words("noanonymous"),
    "CRAM-MD5": words("noplaintext noanonymous"),
    "NTLM": words("noplaintext noanonymous"),
    "DIGEST-MD5": words("noplaintext noanonymous mutual_auth"),
    "OTP": words("noplaintext noanonymous forward_secrecy"),
    "GSSAPI": words("noplaintext noactive noanonymous mutual_auth"),
    "GSS-SPNEGO": words("noplaintext noactive noanonymous mutual_auth"),
    "SRP": words("noplaintext noactive nodictionary noanonymous forward_secrecy mutual_auth"),
    "PASSDSS-3DES-1": words("noplaintext noactive nodictionary noanonymous forward_secrecy mutual_auth"),
}
"""The options that each mechanism satisfies with Cyrus SASL; SCRAM's are the same for every hash."""
CYRUS_SCRAM = words("noplaintext noactive noanonymous mutual_auth")

DOVECOT_MEETS = {
    "ANONYMOUS": words("noplaintext noactive nodictionary"),
    "PLAIN": words("noactive nodictionary noanonymous"),
    "LOGIN": words("noactive nodictionary noanonymous"),
    "CRAM-MD5": words("noplaintext noanonymous"),
    "NTLM": words("noplaintext noanonymous"),
    "DIGEST-MD5": words("noplaintext noanonymous mutual_auth"),
    "OTP": words("noplaintext noanonymous forward_secrecy"),
}
"""The same for Dovecot, which counts in the negative: PLAIN is not called open to active attacks."""
DOVECOT_SCRAM = words("noplaintext noactive nodictionary noanonymous mutual_auth")
DOVECOT_OTHERS = words("noplaintext noactive nodictionary noanonymous")


class Offer(NamedTuple):
    """What is left in one kind of session, step by step."""

    within_tls: bool
    available: tuple[str, ...]
    """Installed and not excluded by mech_list, or what Dovecot is configured for."""
    allowed: tuple[str, ...]
    """Of these, what the security options of this kind of session leave."""
    offered: tuple[str, ...]
    """Of these, what smtpd_sasl_mechanism_filter leaves: the words after AUTH."""

    @property
    def options(self) -> str:
        """Give the parameter with the security options of this kind of session."""
        return "smtpd_sasl_tls_security_options" if self.within_tls else "smtpd_sasl_security_options"

    @property
    def session(self) -> str:
        """Say which sessions these are."""
        return "within TLS" if self.within_tls else "without TLS"


def is_dovecot(service: Service) -> bool:
    """Tell whether smtpd asks Dovecot rather than Cyrus SASL."""
    return service.parameter("smtpd_sasl_type").value.strip() == "dovecot"


@fact
def offers(host: Host, service: Service) -> tuple[Offer, ...] | None:
    """Give what is left to offer in each kind of session in which a client could log in, AUTH being enabled.

    None where the mechanisms are not known: a Dovecot elsewhere, an unreadable configuration of it.
    """
    mechanisms = available(host, service)
    if mechanisms is None:
        return None
    policy = tls.policy(service)
    sessions = [False] * (not policy.login_needs_tls) + [True] * policy.used
    return tuple(_offer(service, mechanisms, within_tls) for within_tls in sessions)


def distinct_offers(host: Host, service: Service) -> Iterator[Offer]:
    """Yield one offer for each parameter whose options hold: mostly, one holds without TLS and within.

    None while AUTH is off or the mechanisms are not known.
    """
    if not service.flag("smtpd_sasl_auth_enable"):
        return
    seen: set[str] = set()
    for offer in offers(host, service) or ():
        if options_parameter(service, offer) not in seen:
            yield offer
        seen.add(options_parameter(service, offer))


def options_parameter(service: Service, offer: Offer) -> str:
    """Give the parameter to edit: the one for TLS refers to the other one unless it is set itself."""
    return offer.options if service.parameter(offer.options).source else "smtpd_sasl_security_options"


def _offer(service: Service, mechanisms: tuple[str, ...], within_tls: bool) -> Offer:
    name = "smtpd_sasl_tls_security_options" if within_tls else "smtpd_sasl_security_options"
    required = {word.lower() for word in service.words(name)} & OPTIONS
    allowed = tuple(each for each in mechanisms if required <= meets(each, dovecot=is_dovecot(service)))
    patterns = mechanism_filter(service)
    offered = tuple(each for each in allowed if patterns is None or passes(each, patterns))
    return Offer(within_tls, mechanisms, allowed, offered)


@fact
def available(host: Host, service: Service) -> tuple[str, ...] | None:
    """Give the mechanisms that are there before Postfix takes any away; None where that is not known."""
    if is_dovecot(service):
        return _of_dovecot(host, service)
    if service.parameter("smtpd_sasl_type").value.strip() not in ("cyrus", ""):
        return None
    listed = effective(host, service).mech_list
    there = installed(host)
    return there if listed is None else tuple(each for each in there if each in listed.value)


@fact
def installed(host: Host) -> tuple[str, ...]:
    """Give the mechanisms of the plugins in libsasl2's directories, sorted.

    A tree without programs (``/etc`` alone, say) has those of its packages. Raises Refused, and Missing where
    a tree tells of neither.
    """
    directories = plugin_directories(host)
    if not directories and not host.live:
        return _of_packages(host)
    unusable = broken_plugins(host)
    found: set[str] = set()
    for path in _plugins(host):
        if path not in unusable:
            found.update(mechanisms_of(path))
    return tuple(sorted(found))


def _plugins(host: Host) -> Iterator[str]:
    for directory in plugin_directories(host):
        for name in host.names(directory):
            if PLUGIN.fullmatch(name):
                yield f"{directory}/{name}"


def mechanisms_of(path: str) -> tuple[str, ...]:
    """Give the mechanisms that a plugin's file brings."""
    match = PLUGIN.fullmatch(path.rpartition("/")[2])
    return PLUGINS.get(match[1], ()) if match else ()


@fact
def broken_plugins(host: Host) -> dict[str, str]:
    """Give the plugins of mechanisms that cannot be loaded, and why: dlopen(3) refuses what is no ELF file.

    Of a tree nothing is said: it may hold names alone.
    """
    if not host.live:
        return {}
    found = ((path, _why_broken(host, path)) for path in _plugins(host) if mechanisms_of(path))
    return {path: why for path, why in found if why}


def _why_broken(host: Host, path: str) -> str:
    try:
        head = host.read(path, limit=PLUGIN_LIMIT)[:20]
    except Missing as error:
        return f"leads to {error.path}, which does not exist"
    except CannotLook:
        return ""
    if not head:
        return "is empty"
    if head[:4] != ELF:
        return "is no shared library"
    ours = _machine(host)
    return "is for another kind of processor" if ours and head[18:20] != ours else ""


@fact
def _machine(host: Host) -> bytes:
    """Give the two bytes by which ELF names the processor, as they stand in libc's own loader of plugins."""
    try:
        with open("/proc/self/exe", "rb") as program:
            return program.read(20)[18:20]
    except OSError:
        return b""


def _of_packages(host: Host) -> tuple[str, ...]:
    found = package(host, "libsasl2-modules")
    return tuple(sorted(OF_PACKAGE)) if found and found.usable else ()


@fact
def plugin_directories(host: Host) -> tuple[str, ...]:
    """Give the directories that libsasl2 loads plugins from: /usr/lib/TRIPLET/sasl2 and /usr/lib/sasl2."""
    try:
        triplets = [f"/usr/lib/{name}/sasl2" for name in host.names("/usr/lib") if "-linux-" in name]
    except Missing:
        return ()
    return tuple(path for path in (*triplets, "/usr/lib/sasl2") if host.exists(path))


def _of_dovecot(host: Host, service: Service) -> tuple[str, ...] | None:
    from maildoctor.dovecot.config import configuration
    from maildoctor.dovecot.passdb import mechanisms

    if service.parameter("smtpd_sasl_path").value.startswith("inet:"):
        return None
    try:
        found = configuration(host)
    except CannotLook:
        return None
    if found is None:
        return None
    named = mechanisms(found)
    return None if named is None else tuple(named.value)


def meets(mechanism: str, *, dovecot: bool) -> frozenset[str]:
    """Give the security options that a mechanism satisfies; one that nobody knows satisfies all."""
    if mechanism.startswith(("SCRAM-", "GS2-")):
        return frozenset(DOVECOT_SCRAM if dovecot else CYRUS_SCRAM)
    if dovecot:
        return frozenset(DOVECOT_MEETS.get(mechanism, DOVECOT_OTHERS))
    return frozenset(CYRUS_MEETS.get(mechanism, OPTIONS))


def mechanism_filter(service: Service) -> list[str] | None:
    """Give the patterns of smtpd_sasl_mechanism_filter; None before Postfix 3.6, which has none."""
    if "smtpd_sasl_mechanism_filter" not in service.parameters:
        return None
    return words(service.parameter("smtpd_sasl_mechanism_filter").value)


def passes(mechanism: str, patterns: list[str]) -> bool:
    """Tell whether a mechanism passes the filter: the first pattern that matches decides, and none is no.

    ``static:`` matches everything; any other table is taken to match, since it cannot be read here.
    """
    for each in patterns:
        bare = each.lstrip("!")
        if ":" in bare or bare.startswith("/") or bare.upper() == mechanism:
            return (len(each) - len(bare)) % 2 == 0
    return False
