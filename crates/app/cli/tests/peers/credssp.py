"""pywinrm (by requests-credssp) and pypsrp log in by CredSSP, and pass messages of one piece and of several, both ways.

    credssp.py pywinrm|pypsrp ENDPOINT USER [INNER]

INNER is auto, ntlm or kerberos: the login inside. Prints `pass`, or `refused: ` and what the client says. The password comes
in TRANSOM_TEST_PASSWORD, the service's certificate in TRANSOM_TEST_CA.
"""

import os
import sys
from urllib.parse import urlsplit

sys.dont_write_bytecode = True

import winrm  # noqa: E402
from pypsrp.shell import Process, SignalCode, WinRS  # noqa: E402
from pypsrp.wsman import WSMan  # noqa: E402

from peer import same  # noqa: E402

# More than a piece of 16,384 bytes, in base64 even more so.
LONG = "x" * 60_000
OUTPUT = "head -c 60000 /dev/zero | tr '\\0' x"
# A command line has at most 32,767 characters.
INPUT = f"echo {'y' * 30_000} | wc -c"


def by_pywinrm(endpoint, user, password, inner):
    """pywinrm's Session."""
    session = winrm.Session(
        endpoint,
        auth=(user, password),
        transport="credssp",
        ca_trust_path=os.environ.get("TRANSOM_TEST_CA"),
    )
    assert inner == "auto", "pywinrm leaves the login inside to requests-credssp"

    def run(line):
        ran = session.run_cmd(line)
        return ran.std_out, ran.std_err, ran.status_code

    check(run)


def by_pypsrp(endpoint, user, password, inner):
    """pypsrp's WinRS, in one shell for all commands."""
    url = urlsplit(endpoint)
    connection = WSMan(
        url.hostname,
        port=url.port,
        username=user,
        password=password,
        ssl=url.scheme == "https",
        auth="credssp",
        no_proxy=True,
        cert_validation=os.environ.get("TRANSOM_TEST_CA", True),
        credssp_auth_mechanism=inner,
    )
    with connection as opened, WinRS(opened) as shell:

        def run(line):
            process = Process(shell, line)
            process.invoke()
            process.signal(SignalCode.TERMINATE)
            return process.stdout, process.stderr, process.rc

        check(run)


def check(run):
    same(run("echo out; echo err >&2; exit 7"), (b"out\n", b"err\n", 7))
    same(run(OUTPUT), (LONG.encode(), b"", 0))
    same(run(INPUT), (b"30001\n", b"", 0))


if __name__ == "__main__":
    # The service is on loopback: no proxy of the environment may stand between.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
    client, endpoint, user, inner = [*sys.argv[1:], "auto"][:4]
    run = {"pywinrm": by_pywinrm, "pypsrp": by_pypsrp}[client]
    try:
        run(endpoint, user, os.environ["TRANSOM_TEST_PASSWORD"], inner)
    except AssertionError:
        # It was let in and brought something else: neither of the two.
        raise
    except Exception as error:
        print(f"refused: {error}")
    else:
        print("pass")
