"""pypsrp with `auth="certificate"`.

TRANSOM_TEST_CA names the service's certificate, TRANSOM_TEST_CERT and TRANSOM_TEST_KEY the client's.
"""

import os
import sys
from urllib.parse import urlsplit

sys.dont_write_bytecode = True

from pypsrp.exceptions import AuthenticationError  # noqa: E402
from pypsrp.shell import Process, SignalCode, WinRS  # noqa: E402
from pypsrp.wsman import WSMan  # noqa: E402

import peer  # noqa: E402
from peer import same  # noqa: E402


def run(to):
    """One command on a new connection, its two streams and its exit code."""
    url = urlsplit(to.endpoint)
    connection = WSMan(
        url.hostname,
        port=url.port,
        ssl=True,
        auth=to.auth,
        certificate_pem=os.environ["TRANSOM_TEST_CERT"],
        certificate_key_pem=os.environ["TRANSOM_TEST_KEY"],
        cert_validation=os.environ["TRANSOM_TEST_CA"],
        no_proxy=True,
    )
    with connection as open_connection, WinRS(open_connection) as opened:
        process = Process(opened, "echo out; echo err >&2; exit 7")
        process.invoke()
        process.signal(SignalCode.TERMINATE)
        same((process.stdout, process.stderr, process.rc), (b"out\n", b"err\n", 7))


def commands_run(to):
    """Both streams and the exit code."""
    run(to)


def login_is_refused(to):
    """The certificate is nobody's."""
    try:
        run(to)
    except AuthenticationError:
        return
    raise AssertionError("the login was accepted")


if __name__ == "__main__":
    sys.exit(peer.run("pypsrp", ["certificate"], [commands_run, login_is_refused]))
