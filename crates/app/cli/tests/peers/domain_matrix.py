"""One command by one login of one client, for the matrix of domain logins.

    domain_matrix.py pywinrm|pypsrp kerberos|negotiate|ntlm|credssp ENDPOINT USER LINE

Prints `pass`, `pass, ticket` where the command found a ticket, or `refused: ` and what the client says. The password
comes in TRANSOM_TEST_PASSWORD, the service's certificate in TRANSOM_TEST_CA; TRANSOM_TEST_DELEGATE asks for delegation.
"""

import os
import subprocess
import sys
import tempfile
from urllib.parse import urlsplit

sys.dont_write_bytecode = True

import winrm  # noqa: E402
from pypsrp.shell import Process, SignalCode, WinRS  # noqa: E402
from pypsrp.wsman import WSMan  # noqa: E402

TICKETS = {(b"ticket\n", b"err\n", 7): "pass, ticket", (b"none\n", b"err\n", 7): "pass"}
DELEGATE = "TRANSOM_TEST_DELEGATE" in os.environ


def by_pywinrm(login, endpoint, user, password, line):
    """pywinrm's Protocol; for Kerberos it wants tickets that are there."""
    if login == "kerberos":
        kinit = subprocess.run(["kinit", "-f", user], input=password.encode(), capture_output=True)
        if kinit.returncode:
            print(kinit.stderr.decode(), file=sys.stderr)
    session = winrm.Session(
        endpoint,
        auth=(user, password),
        transport=login,
        ca_trust_path=os.environ.get("TRANSOM_TEST_CA"),
        kerberos_delegation=DELEGATE,
    )
    ran = session.run_cmd(line)
    return ran.std_out, ran.std_err, ran.status_code


def by_pypsrp(login, endpoint, user, password, line):
    """pypsrp's WinRS."""
    url = urlsplit(endpoint)
    connection = WSMan(
        url.hostname,
        port=url.port,
        username=user,
        password=password,
        ssl=url.scheme == "https",
        auth=login,
        no_proxy=True,
        cert_validation=os.environ.get("TRANSOM_TEST_CA", True),
        negotiate_delegate=DELEGATE,
        negotiate_service="HTTP",
    )
    with connection as opened, WinRS(opened) as shell:
        process = Process(shell, line)
        process.invoke()
        process.signal(SignalCode.TERMINATE)
        return process.stdout, process.stderr, process.rc


if __name__ == "__main__":
    # The service is on loopback: no proxy of the environment may stand between.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["KRB5CCNAME"] = f"FILE:{folder}/cache"
        client, login, endpoint, user, line = sys.argv[1:]
        run = {"pywinrm": by_pywinrm, "pypsrp": by_pypsrp}[client]
        try:
            ran = run(login, endpoint, user, os.environ["TRANSOM_TEST_PASSWORD"], line)
        except Exception as error:
            print(f"refused: {error}")
        else:
            print(TICKETS.get(ran) or sys.exit(f"it brought {ran}"))
