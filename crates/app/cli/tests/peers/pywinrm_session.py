"""pywinrm's simple face, `Session.run_cmd`, against a service: NTLM, every message sealed.

Takes AUTH ntlm: pywinrm 0.5 speaks NTLM by requests-ntlm only, without SPNEGO.
"""

import sys

sys.dont_write_bytecode = True

import winrm  # noqa: E402
from winrm.exceptions import InvalidCredentialsError  # noqa: E402

import peer  # noqa: E402
from peer import same  # noqa: E402


def session(to, password=None):
    """A new Session, which logs in with its first message."""
    return winrm.Session(
        to.endpoint,
        auth=(to.user, password or to.password),
        transport=to.auth,
        message_encryption="always",
    )


def streams_and_exit_code(to):
    """Both streams arrive apart, and the exit code with them."""
    answer = session(to).run_cmd("echo out; echo err >&2; exit 7")
    same(answer.std_out, b"out\n")
    same(answer.std_err, b"err\n")
    same(answer.status_code, 7)


def arguments(to):
    """Arguments follow the command on its line."""
    answer = session(to).run_cmd("echo", ["one", "two"])
    same((answer.std_out, answer.status_code), (b"one two\n", 0))


def unicode(to):
    """A session asks for code page 437, and gets what that page has, as from Windows."""
    answer = session(to).run_cmd("echo 'grüße, ½ ░, 世界'")
    same(answer.std_out.decode("cp437"), "grüße, ½ ░, ??\n")


def sealed(to):
    """The messages of a session were sealed, not only its login done."""
    one = session(to)
    same(one.run_cmd("exit 0").status_code, 0)
    assert one.protocol.transport.encryption is not None, "pywinrm sent its messages in the clear"


def several_commands_in_one_session(to):
    """A session serves one command after another, each in a shell of its own."""
    one = session(to)
    for number in range(5):
        same(one.run_cmd(f"echo {number}").std_out, b"%d\n" % number)


def wrong_password(to):
    """A wrong password is refused before any command runs."""
    try:
        session(to, password=to.password + "x").run_cmd("echo never")
    except InvalidCredentialsError:
        return
    raise AssertionError("a wrong password was accepted")


if __name__ == "__main__":
    sys.exit(
        peer.run(
            "pywinrm",
            ["ntlm"],
            [
                streams_and_exit_code,
                arguments,
                unicode,
                sealed,
                several_commands_in_one_session,
                wrong_password,
            ],
        )
    )
