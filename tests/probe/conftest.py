"""What the tests of probe share: a certificate, and a server for each script."""

import contextlib
import ssl
from collections.abc import Callable, Iterator

import pytest

from tests.probe.scripted import Script, Server, certificate, serving

Serve = Callable[[Script], Server]


@pytest.fixture(scope="session")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A TLS context of a server with a self-signed certificate for mail.example.com."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate(tmp_path_factory.mktemp("tls")))
    return made


@pytest.fixture
def serve(context: ssl.SSLContext) -> Iterator[Serve]:
    """Start a server that follows a script."""
    with contextlib.ExitStack() as stack:
        yield lambda script: stack.enter_context(serving(script, context))
