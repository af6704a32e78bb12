"""pywinrm with `transport="certificate"`, as Ansible uses it.

TRANSOM_TEST_CA names the service's certificate, TRANSOM_TEST_CERT and TRANSOM_TEST_KEY the client's.
"""

import os
import sys

sys.dont_write_bytecode = True

import winrm  # noqa: E402
from winrm.exceptions import InvalidCredentialsError  # noqa: E402

import peer  # noqa: E402
from peer import same  # noqa: E402


def session(to):
    """A session that has said nothing yet."""
    return winrm.Session(
        to.endpoint,
        auth=(to.user, to.password),
        transport=to.auth,
        ca_trust_path=os.environ["TRANSOM_TEST_CA"],
        cert_pem=os.environ["TRANSOM_TEST_CERT"],
        cert_key_pem=os.environ["TRANSOM_TEST_KEY"],
    )


def commands_run(to):
    """Both streams and the exit code, of several commands in one session."""
    one = session(to)
    for code in (7, 3):
        ran = one.run_cmd(f"echo out; echo err >&2; exit {code}")
        same((ran.std_out, ran.std_err, ran.status_code), (b"out\n", b"err\n", code))


def long_output_arrives_whole(to):
    """A message after the other on one connection, each with the header."""
    command, wanted = peer.long_output()
    same(session(to).run_cmd(command).std_out, wanted)


def login_is_refused(to):
    """The certificate is nobody's."""
    try:
        session(to).run_cmd("exit 0")
    except InvalidCredentialsError:
        return
    raise AssertionError("the login was accepted")


if __name__ == "__main__":
    checks = [commands_run, long_output_arrives_whole, login_is_refused]
    sys.exit(peer.run("pywinrm", ["certificate"], checks))
