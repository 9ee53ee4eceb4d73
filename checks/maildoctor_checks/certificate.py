"""Offered: can the certificate and key for TLS be used?"""

import os
import time
from collections.abc import Iterator
from shlex import quote

from maildoctor.check import check
from maildoctor.finding import Evidence, Finding, Impact, Severity, Stage
from maildoctor.host import CannotLook, Host
from maildoctor.postfix import key_pair, tls
from maildoctor.postfix.service import Service
from maildoctor.postfix.setting import assign, evidence, proof
from maildoctor.remedy import (
    InstallPackages,
    Option,
    ReloadUnit,
    Remedy,
)

CERTIFICATE = "smtpd_tls_cert_file"
KEY = "smtpd_tls_key_file"
LEVEL = "smtpd_tls_security_level"
WRAPPER = "smtpd_tls_wrappermode"
SNAKEOIL = "ssl-cert-snakeoil"


@check(Stage.OFFERED)
def tls_certificate_missing(host: Host, service: Service) -> Iterator[Finding]:
    """TLS is on, and there is no certificate that smtpd could load.

    What:
        smtpd_tls_cert_file (or smtpd_tls_chain_files, smtpd_tls_CAfile) is empty, names a file that is not
        there, or one that holds no certificate.
    Why:
        smtpd still offers STARTTLS and then answers "454 4.7.0 TLS not available due to local problem". Where
        AUTH needs TLS nobody can log in; on port 465 connections are dropped.
    Start: submission-tls
    Break:
        postconf -e smtpd_tls_cert_file=/etc/ssl/certs/mail.pem
        systemctl restart postfix
    Mend:
        postconf -e smtpd_tls_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem
        postfix reload
    Safety:
        Only you know where the certificate is. Debian's package ssl-cert makes one that clients have to
        accept by hand.
    See: TLS_README
    """
    fault = _fault(host, service)
    if fault and not fault.concerns_key:
        yield _unusable(host, service, fault, "certificate")


@check(Stage.OFFERED)
def tls_key_unusable(host: Host, service: Service) -> Iterator[Finding]:
    """The private key for TLS cannot be used.

    What:
        The file that smtpd_tls_key_file names is missing, empty, no key, protected by a passphrase, or the
        key of another certificate.
    Why:
        smtpd still offers STARTTLS and then answers "454 4.7.0 TLS not available due to local problem". It
        reads the key as root, so owner root and mode 0600 are right and no reason for this.
    Start: submission-tls
    Break:
        openssl genrsa -out /etc/ssl/private/mail.key 2048
        postconf -e smtpd_tls_key_file=/etc/ssl/private/mail.key
        systemctl restart postfix
    Mend:
        postconf -e smtpd_tls_key_file=/etc/ssl/private/ssl-cert-snakeoil.key
        postfix reload
    Safety:
        Safe where a key beside the certificate, or in /etc/ssl/private, belongs to it: that one is set.
        Otherwise only you know where it is.
    See: TLS_README
    """
    fault = _fault(host, service)
    if fault and fault.concerns_key:
        yield _unusable(host, service, fault, "key")


def _fault(host: Host, service: Service) -> tls.Fault | None:
    policy = tls.policy(service)
    return tls.fault(host, service) if policy.used or policy.login_needs_tls else None


def _unusable(host: Host, service: Service, fault: tls.Fault, what: str) -> Finding:
    needed = tls.policy(service).login_needs_tls
    consequence = "so nobody can log in" if needed else "so clients that want TLS cannot log in"
    shown = f"{fault.path} {fault.why}" if fault.path else fault.why
    return Finding(
        summary=f"TLS cannot be set up for lack of a {what} ({shown}), {consequence}",
        subject=fault.path or fault.parameter,
        impact=_cost(service, needed),
        expected=f"a {what} that smtpd can load",
        found=shown,
        evidence=(
            evidence(service, fault.parameter),
            *([Evidence(fault.path, fault.why)] if fault.path else ()),
        ),
        proof=_proof(service, fault),
        remedy=_certificate_remedy(host, service, fault),
    )


def _proof(service: Service, fault: tls.Fault) -> str:
    if not fault.path:
        return proof(service, fault.parameter)
    if not fault.concerns_key:
        return f"openssl x509 -noout -subject -in {quote(fault.path)}"
    certificate = service.parameter(CERTIFICATE).value
    public = f"openssl pkey -pubout -in {quote(fault.path)}"
    return f"{public}; openssl x509 -pubkey -noout -in {quote(certificate)}" if certificate else public


def _cost(service: Service, needed: bool) -> Impact:
    if service.port == 25 and tls.policy(service).required:
        return Impact.INCOMING_MAIL
    return Impact.ALL_LOGINS if needed else Impact.SOME_LOGINS


def _certificate_remedy(host: Host, service: Service, fault: tls.Fault) -> Remedy:
    if fault.parameter == KEY and (found := _its_key(host, service)):
        return Remedy.safe(assign(service, KEY, found), ReloadUnit("postfix"))
    if SNAKEOIL in fault.path and "no such file" in fault.why:
        made = Option(
            "self-signed",
            "ssl-cert makes a certificate and key that clients have to accept by hand",
            (InstallPackages(("ssl-cert",)), ReloadUnit("postfix")),
        )
        return Remedy.choice(made)
    return Remedy.manual(f"Set {fault.parameter} to the right file, or put it in its place; reload Postfix.")


def _its_key(host: Host, service: Service) -> str | None:
    """Seek the certificate's key beside it, where its key was sought, and where Debian keeps keys."""
    files = [service.parameter(name).value for name in (CERTIFICATE, KEY)]
    certificate = _content(host, files[0])
    for directory in dict.fromkeys([*map(os.path.dirname, files), "/etc/ssl/private"]):
        for name in _names(host, directory)[:100]:
            path = f"{directory}/{name}"
            if not name.endswith((".key", ".pem")):
                continue
            if key_pair.belong_together(certificate, _content(host, path)):
                return path
    return None


def _names(host: Host, directory: str) -> list[str]:
    try:
        return host.names(directory) if directory.startswith("/") else []
    except CannotLook:
        return []


def _content(host: Host, path: str) -> bytes:
    try:
        return host.read(path) if path.startswith("/") else b""
    except CannotLook:
        return b""


@check(Stage.OFFERED)
def tls_certificate_expired(host: Host, service: Service) -> Iterator[Finding]:
    """The certificate for TLS has expired, or is not valid yet.

    What:
        The first certificate in smtpd_tls_cert_file is outside its time.
    Why:
        smtpd uses it all the same, but mail clients warn their users or refuse to go on.
    Start: submission-tls
    Break:
        cd /etc/ssl/private
        openssl req -new -key ssl-cert-snakeoil.key -subj /CN=mail.example.com -out mail.req
        openssl x509 -req -in mail.req -signkey ssl-cert-snakeoil.key -days -1 -out /etc/ssl/certs/mail.pem
        postconf -e smtpd_tls_cert_file=/etc/ssl/certs/mail.pem
        systemctl restart postfix
    Break on 13:
        cd /etc/ssl/private
        openssl req -new -key ssl-cert-snakeoil.key -subj /CN=mail.example.com -out mail.req
        openssl x509 -req -in mail.req -signkey ssl-cert-snakeoil.key -out /etc/ssl/certs/mail.pem \\
            -not_before 20200101000000Z -not_after 20210101000000Z
        postconf -e smtpd_tls_cert_file=/etc/ssl/certs/mail.pem
        systemctl restart postfix
    Mend:
        postconf -e smtpd_tls_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem
        postfix reload
    Safety:
        Only whoever issued the certificate can renew it.
    See: TLS_README
    """
    path = service.parameter("smtpd_tls_cert_file").value
    if not path.startswith("/") or not tls.policy(service).used or tls.fault(host, service):
        return
    times = key_pair.validity(host.read(path))
    now = time.strftime("%Y%m%d%H%M%SZ", time.gmtime())
    if times is None or times[0] <= now <= times[1]:
        return
    begin, end = map(_day, times)
    why = f"expired on {end}" if now > times[1] else f"is not valid before {begin}"
    yield Finding(
        summary=f"the certificate {path} {why}",
        subject=path,
        severity=Severity.WARNING,
        impact=Impact.SOME_LOGINS,
        expected="a certificate that is valid today",
        found=why,
        evidence=(evidence(service, "smtpd_tls_cert_file"), Evidence(path, why)),
        proof=f"openssl x509 -noout -dates -in {path}",
        remedy=Remedy.manual(f"Renew the certificate in {path}, then reload Postfix."),
    )


def _day(moment: str) -> str:
    return f"{moment[:4]}-{moment[4:6]}-{moment[6:8]}"
