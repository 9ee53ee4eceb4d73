"""A certificate and its private key in PEM, read just far enough to see that they belong together.

RFC 5280 (certificates), RFC 5208 and 8017 (RSA keys), RFC 5915 (keys on elliptic curves). Loading OpenSSL
costs more than the rest of a healthy host's check, so it is asked only where this here does not suffice.
"""

import binascii
import re

from maildoctor.pattern import pattern
from maildoctor.probe import der

CERTIFICATE = pattern(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----(.*?)-----END ", re.DOTALL)
KEY = pattern(rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----(.*?)-----END ", re.DOTALL)
PUBLIC_KEY = 0xA1
"""The tag of the public key in an elliptic private key."""


def belong_together(certificate: bytes, key: bytes) -> bool:
    """Tell whether the first key surely belongs to the first certificate; if in doubt, no."""
    public = _of_certificate(certificate)
    return public is not None and public == _of_key(key)


def validity(certificate: bytes) -> tuple[str, str] | None:
    """Give begin and end of the first certificate, ``20270131120000Z``; None where it cannot be read."""
    try:
        _, _, _, times, *_ = _fields(certificate)
        begin, end = list(times)[:2]
    except (der.BadDer, ValueError):
        return None
    return _four_digit_year(begin), _four_digit_year(end)


def _four_digit_year(time: der.Item) -> str:
    text = time.data.decode("ascii", "replace")
    if time.tag == der.UTC_TIME:
        return ("19" if text[:2] >= "50" else "20") + text
    return text


def _of_certificate(pem: bytes) -> bytes | None:
    """Give the public key: an RSA modulus, or a point on a curve."""
    try:
        public = list(_fields(pem)[5])[1].data[1:]
        return public if public[:1] == b"\x04" else next(iter(der.first(public)[0])).data
    except (der.BadDer, IndexError, StopIteration):
        return None


def _fields(pem: bytes) -> list[der.Item]:
    """Give serial number, algorithm, issuer, validity, subject, public key. Raises BadDer."""
    outer, _ = der.first(_decoded(CERTIFICATE, pem))
    body, _ = der.first(outer.data)
    return [item for item in body if item.tag != 0xA0]


def _of_key(pem: bytes) -> bytes | None:
    try:
        items = list(der.first(_decoded(KEY, pem))[0])
        if items[1].tag == der.SEQUENCE:  # wrapped, with its algorithm in front
            items = list(der.first(items[2].data)[0])
        if items[1].tag == der.INTEGER:
            return items[1].data
        return next(der.first(item.data)[0].data[1:] for item in items if item.tag == PUBLIC_KEY)
    except (der.BadDer, IndexError, StopIteration):
        return None


def _decoded(pattern: re.Pattern[bytes], pem: bytes) -> bytes:
    found = pattern.search(pem)
    try:
        return binascii.a2b_base64(found[1]) if found else b""
    except binascii.Error as error:
        raise der.BadDer(str(error)) from error
