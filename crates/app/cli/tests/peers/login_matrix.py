"""One command by one login of one client, for the matrix of logins.

    login_matrix.py pywinrm|pypsrp basic|certificate|ntlm|negotiate ENDPOINT USER

Prints `pass`, or `refused: ` and what the client says. The password comes in TRANSOM_TEST_PASSWORD, the service's
certificate in TRANSOM_TEST_CA, the client's in TRANSOM_TEST_CERTIFICATE and TRANSOM_TEST_KEY.
"""

import os
import sys
from urllib.parse import urlsplit

sys.dont_write_bytecode = True

import winrm  # noqa: E402
from pypsrp.shell import Process, SignalCode, WinRS  # noqa: E402
from pypsrp.wsman import WSMan  # noqa: E402

from peer import same  # noqa: E402

LINE = "echo out; echo err >&2; exit 7"
ENDED = (b"out\n", b"err\n", 7)


def by_pywinrm(login, endpoint, user, password):
    """pywinrm's Session."""
    session = winrm.Session(
        endpoint,
        auth=(user, password),
        transport=login,
        ca_trust_path=os.environ.get("TRANSOM_TEST_CA"),
        cert_pem=os.environ.get("TRANSOM_TEST_CERTIFICATE"),
        cert_key_pem=os.environ.get("TRANSOM_TEST_KEY"),
    )
    ran = session.run_cmd(LINE)
    same((ran.std_out, ran.std_err, ran.status_code), ENDED)


def by_pypsrp(login, endpoint, user, password):
    """pypsrp's WinRS."""
    url = urlsplit(endpoint)
    certificate = {
        "certificate_pem": os.environ.get("TRANSOM_TEST_CERTIFICATE"),
        "certificate_key_pem": os.environ.get("TRANSOM_TEST_KEY"),
    }
    seals = url.scheme == "https" or login in ("ntlm", "negotiate")
    connection = WSMan(
        url.hostname,
        port=url.port,
        username=user,
        password=password,
        ssl=url.scheme == "https",
        auth=login,
        # Otherwise it would refuse by itself, and nobody would ask the service.
        encryption="auto" if seals else "never",
        no_proxy=True,
        cert_validation=os.environ.get("TRANSOM_TEST_CA", True),
        **(certificate if login == "certificate" else {}),
    )
    with connection as opened, WinRS(opened) as shell:
        process = Process(shell, LINE)
        process.invoke()
        process.signal(SignalCode.TERMINATE)
        same((process.stdout, process.stderr, process.rc), ENDED)


if __name__ == "__main__":
    # The service is on loopback: no proxy of the environment may stand between.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
    client, login, endpoint, user = sys.argv[1:]
    run = {"pywinrm": by_pywinrm, "pypsrp": by_pypsrp}[client]
    try:
        run(login, endpoint, user, os.environ["TRANSOM_TEST_PASSWORD"])
    except AssertionError:
        # It was let in and brought something else: neither of the two.
        raise
    except Exception as error:
        print(f"refused: {error}")
    else:
        print("pass")
