"""TLS on a service: whether it is used, whether logins need it, and whether its certificate can be loaded.

Rules: smtpd.c (``post_jail_init`` and ``pre_jail_init``), tls_certkey.c. smtpd reads certificate and key as
root, before it enters its chroot, so owner and mode of the key do not matter to it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from maildoctor.fact import fact
from maildoctor.host import CannotLook, Host, Refused, Unreadable
from maildoctor.pattern import pattern
from maildoctor.postfix import key_pair
from maildoctor.postfix.service import Service

LEVELS = {"none": 0, "may": 1, "encrypt": 2, "fingerprint": 2, "verify": 2, "secure": 2}
"""What smtpd makes of smtpd_tls_security_level: no TLS, offered, required."""
PAIRS = (
    ("smtpd_tls_cert_file", "smtpd_tls_key_file"),
    ("smtpd_tls_eccert_file", "smtpd_tls_eckey_file"),
    ("smtpd_tls_dcert_file", "smtpd_tls_dkey_file"),
)
CHAIN = "smtpd_tls_chain_files"
AUTHORITIES = "smtpd_tls_CAfile"
VERSIONS = ["SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]
GRADES = frozenset({"export", "low", "medium", "high", "null"})
"""What smtpd_tls_ciphers may be: postconf(5)."""

# Since 3.6 a version may be a number: tls_proto_mask_lims(3).
_VERSION_OF = {name.lower(): name for name in VERSIONS} | {
    f"{prefix}030{minor}": name for prefix in ("", "0x") for minor, name in enumerate(VERSIONS[1:])
}
_PROTOCOL = pattern(r"(!|>=|<=|)(.+)")


class Policy(NamedTuple):
    """What a service's TLS parameters come to."""

    used: bool
    """STARTTLS is offered, or TLS is spoken from the start."""
    required: bool
    """Nothing goes without TLS."""
    wrapper: bool
    """TLS is spoken from the first byte (port 465)."""
    login_needs_tls: bool
    """AUTH is not offered outside TLS."""


class Fault(NamedTuple):
    """Why TLS cannot be set up: the parameter to blame, its file, the reason in a few words."""

    parameter: str
    path: str
    why: str
    concerns_key: bool = False


def policy(service: Service) -> Policy:
    """Work out what holds; the level, where there is one, overrides the older yes/no parameters."""
    wrapper = service.flag("smtpd_tls_wrappermode")
    level = service.parameter("smtpd_tls_security_level").value.strip().lower()
    if level and not wrapper:
        used, required = LEVELS.get(level, 1) >= 1, LEVELS.get(level, 1) == 2
    else:
        used, required = service.flag("smtpd_use_tls"), service.flag("smtpd_enforce_tls")
    required = required or wrapper
    needs = service.flag("smtpd_tls_auth_only") or required
    return Policy(used or required, required, wrapper, needs)


def reaches_sasl(host: Host, service: Service) -> bool:
    """Tell whether an ordinary client of a service with AUTH makes smtpd set up SASL, and end if it cannot.

    smtpd does so when it greets or, where AUTH needs TLS, after STARTTLS: never, where TLS is off or broken.
    """
    found = policy(service)
    if not found.login_needs_tls:
        return True
    try:
        return found.used and fault(host, service) is None
    except CannotLook:
        return True


@fact
def fault(host: Host, service: Service) -> Fault | None:
    """Give the first reason for which smtpd cannot set up TLS; STARTTLS is then answered with 454.

    Raises CannotLook where this process may not read the key.
    """
    return next(_faults(host, service), None)


def _faults(host: Host, service: Service) -> Iterator[Fault]:
    if service.parameter(AUTHORITIES).value:
        yield from _authorities(host, _file(service, AUTHORITIES))
    chain = service.words(CHAIN)
    pairs = [(cert, key) for cert, key in PAIRS if service.parameter(cert).value.lower() not in ("", "none")]
    if not chain and not pairs:
        yield Fault(PAIRS[0][0], "", "no certificate is set")
    for path in chain:
        yield from _chain(host, path)
    for pair in () if chain else pairs:
        cert, key = ((name, _file(service, name)) for name in pair)
        yield from _pair(host, cert, key)


def _file(service: Service, name: str) -> str:
    """Give a file's path; smtpd works in the queue directory, so a relative one means that."""
    path = service.parameter(name).value
    return path if path.startswith("/") else f"{service.parameter('queue_directory').value}/{path}"


def _chain(host: Host, path: str) -> Iterator[Fault]:
    found = list(_pair(host, (CHAIN, path), (CHAIN, path)))
    yield from found
    if not found:
        data = host.read(path)
        first = [pattern.search(data) for pattern in (key_pair.KEY, key_pair.CERTIFICATE)]
        if first[0] and first[1] and first[0].start() > first[1].start():
            yield Fault(CHAIN, path, "has the key behind the certificate, where it must come first", True)


def _authorities(host: Host, path: str) -> Iterator[Fault]:
    data, why = _read(host, path)
    if why or not key_pair.CERTIFICATE.search(data):
        yield Fault(AUTHORITIES, path, why or "holds no certificate")


def _pair(host: Host, certificate: tuple[str, str], key: tuple[str, str]) -> Iterator[Fault]:
    contents = []
    for (parameter, path), wanted, what in (
        (certificate, key_pair.CERTIFICATE, "certificate"),
        (key, key_pair.KEY, "private key"),
    ):
        data, why = _read(host, path)
        contents.append(data)
        if not why and not wanted.search(data):
            why = f"holds no {what} in PEM form" if data.strip() else "is empty"
        if why:
            yield Fault(parameter, path, why, what == "private key")
            return
    if why := _mismatch(*contents):
        yield Fault(key[0], key[1], why, True)


def _read(host: Host, path: str) -> tuple[bytes, str]:
    """Give a file's content, or why there is none. Raises Refused."""
    try:
        return host.read(path), ""
    except Refused:
        raise
    except Unreadable as error:
        return b"", error.why


def _mismatch(certificate: bytes, key: bytes) -> str:
    """Load both as OpenSSL does in smtpd; give its complaint in our words, empty if there is none."""
    if key_pair.belong_together(certificate, key):
        return ""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Postfix takes keys of any size.
    context.set_ciphers("ALL:@SECLEVEL=0")
    with _in_memory(certificate) as first, _in_memory(key) as second:
        try:
            context.load_cert_chain(first, second, password=lambda: "")
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                return "does not belong to the certificate"
            if b"ENCRYPTED" in key:
                return "is protected by a passphrase, which smtpd cannot ask for"
            return f"cannot be used ({(error.reason or 'OpenSSL refuses it').replace('_', ' ').lower()})"
    return ""


@contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    """Give a path to ``data``: OpenSSL wants paths, and the real files must not be touched again."""
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def protocols(service: Service) -> list[str] | None:
    """Give the versions of TLS that a service speaks; None where smtpd cannot read the list.

    tls_misc.c: names are allowed, with "!" forbidden; one that is allowed forbids those that are not named.
    """
    allowed: set[str] = set()
    forbidden: set[str] = set()
    low, high = 0, len(VERSIONS)
    for word in service.words(which(service, "protocols")):
        match = _PROTOCOL.fullmatch(word)
        name = match and _VERSION_OF.get(match[2].lower())
        if not match or not name:
            return None
        place = VERSIONS.index(name)
        if match[1] == ">=":
            low = place
        elif match[1] == "<=":
            high = place + 1
        else:
            (forbidden if match[1] else allowed).add(name)
    within = VERSIONS[low:high]
    return [each for each in within if each not in forbidden and (not allowed or each in allowed)]


def which(service: Service, what: str) -> str:
    """Give the parameter for ``protocols`` or ``ciphers`` that holds: another where TLS is mandatory."""
    return f"smtpd_tls_{'mandatory_' if policy(service).required else ''}{what}"
