"""pypsrp's `WinRS` by https: Basic, NTLM and SPNEGO, with channel bindings.

TRANSOM_TEST_CA names the service's certificate.
"""

import os
import sys
from urllib.parse import urlsplit

sys.dont_write_bytecode = True

import requests  # noqa: E402
from pypsrp.exceptions import AuthenticationError  # noqa: E402
from pypsrp.shell import Process, SignalCode, WinRS  # noqa: E402
from pypsrp.wsman import WSMan  # noqa: E402

import peer  # noqa: E402
from peer import same  # noqa: E402


def run(to, **options):
    """One command on a new connection, its two streams and its exit code."""
    url = urlsplit(to.endpoint)
    connection = WSMan(
        url.hostname,
        port=url.port,
        username=to.user,
        password=to.password,
        ssl=True,
        auth=to.auth,
        no_proxy=True,
        **options,
    )
    with connection as open_connection, WinRS(open_connection) as opened:
        process = Process(opened, "echo out; echo err >&2; exit 7")
        process.invoke()
        process.signal(SignalCode.TERMINATE)
        same((process.stdout, process.stderr, process.rc), (b"out\n", b"err\n", 7))


def with_the_certificate_known(to):
    """The certificate is checked, its name too."""
    run(to, cert_validation=os.environ["TRANSOM_TEST_CA"])


def without_a_check_of_the_certificate(to):
    """cert_validation=False."""
    run(to, cert_validation=False)


def unknown_certificate_is_refused(to):
    """Without the certificate in its list the client does not log in."""
    try:
        run(to)
    except requests.exceptions.SSLError:
        return
    raise AssertionError("a self-signed certificate was believed")


def refused(to, **options):
    try:
        run(to, cert_validation=False, **options)
    except AuthenticationError:
        return
    raise AssertionError("the login was accepted")


def login_is_refused(to):
    """The scheme is not offered."""
    refused(to)


def login_without_bindings_is_refused(to):
    """A strict service asks for channel bindings."""
    refused(to, negotiate_send_cbt=False)


def login_without_bindings_works(to):
    """A relaxed service does not."""
    run(to, cert_validation=False, negotiate_send_cbt=False)


def sealed_inside_tls(to):
    """encryption=always seals inside TLS too, and is answered so."""
    run(to, cert_validation=False, encryption="always")


if __name__ == "__main__":
    sys.exit(
        peer.run(
            "pypsrp",
            ["basic", "ntlm", "negotiate"],
            [
                with_the_certificate_known,
                without_a_check_of_the_certificate,
                unknown_certificate_is_refused,
                login_is_refused,
                login_without_bindings_is_refused,
                login_without_bindings_works,
                sealed_inside_tls,
            ],
        )
    )
