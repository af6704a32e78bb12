"""pywinrm by https: `ssl` (Basic inside TLS) and `ntlm` with channel bindings.

TRANSOM_TEST_CA names the service's certificate.
"""

import os
import sys

sys.dont_write_bytecode = True

import requests  # noqa: E402
import winrm  # noqa: E402
from winrm.exceptions import InvalidCredentialsError  # noqa: E402

import peer  # noqa: E402
from peer import same  # noqa: E402


def session(to, **options):
    """A session that has said nothing yet."""
    return winrm.Session(to.endpoint, auth=(to.user, to.password), transport=to.auth, **options)


def run(opened):
    """One command, its two streams and its exit code."""
    ran = opened.run_cmd("echo out; echo err >&2; exit 7")
    same((ran.std_out, ran.std_err, ran.status_code), (b"out\n", b"err\n", 7))


def with_the_certificate_known(to):
    """The certificate is checked, its name too."""
    run(session(to, ca_trust_path=os.environ["TRANSOM_TEST_CA"]))


def without_a_check_of_the_certificate(to):
    """server_cert_validation=ignore."""
    run(session(to, server_cert_validation="ignore"))


def unknown_certificate_is_refused(to):
    """Without the certificate in its list the client does not log in."""
    try:
        run(session(to))
    except requests.exceptions.SSLError:
        return
    raise AssertionError("a self-signed certificate was believed")


def refused(opened):
    try:
        run(opened)
    except InvalidCredentialsError:
        return
    raise AssertionError("the login was accepted")


def login_is_refused(to):
    """The scheme is not offered."""
    refused(session(to, server_cert_validation="ignore"))


def login_without_bindings_is_refused(to):
    """A strict service asks for channel bindings."""
    refused(session(to, server_cert_validation="ignore", send_cbt=False))


def login_without_bindings_works(to):
    """A relaxed service does not."""
    run(session(to, server_cert_validation="ignore", send_cbt=False))


if __name__ == "__main__":
    sys.exit(
        peer.run(
            "pywinrm",
            ["ssl", "ntlm"],
            [
                with_the_certificate_known,
                without_a_check_of_the_certificate,
                unknown_certificate_is_refused,
                login_is_refused,
                login_without_bindings_is_refused,
                login_without_bindings_works,
            ],
        )
    )
