"""pywinrm by http with message_encryption=never: NTLM, every message in the clear.

With a service that has AllowUnencrypted; `messages_are_refused` is for one that has not.
"""

import sys

sys.dont_write_bytecode = True

from winrm.exceptions import InvalidCredentialsError, WinRMTransportError  # noqa: E402
from winrm.protocol import Protocol  # noqa: E402

import peer  # noqa: E402
from peer import same  # noqa: E402


def protocol(to):
    """A new Protocol, which logs in with its first message."""
    return Protocol(
        endpoint=to.endpoint,
        transport=to.auth,
        username=to.user,
        password=to.password,
        message_encryption="never",
    )


def converse(proto):
    """A whole conversation with input and both streams."""
    assert proto.transport.encryption is None, "pywinrm seals its messages"
    shell = proto.open_shell(codepage=65001)
    command = proto.run_command(shell, "cat; echo grüße; echo err >&2; exit 7")
    proto.send_command_input(shell, command, "世界 ".encode(), end=True)
    result = proto.get_command_output(shell, command)
    proto.cleanup_command(shell, command)
    proto.close_shell(shell)
    same(result, ("世界 grüße\n".encode(), b"err\n", 7))


def streams_and_exit_code(to):
    """The conversation in UTF-8, as pywinrm has it by itself."""
    converse(protocol(to))


def utf_16(to, codec):
    """The same conversation with every envelope in UTF-16, by Python's codec; the answers are too."""
    proto = protocol(to)
    transport = proto.transport
    send = transport.send_message

    def send_utf_16(message):
        transport.build_session().headers["Content-Type"] = "application/soap+xml;charset=UTF-16"
        if isinstance(message, bytes):
            message = message.decode("utf-8")
        text = message.replace('encoding="utf-8"', 'encoding="utf-16"')
        answer = send(text.encode(codec))
        assert answer.startswith(b"\xff\xfe<\x00"), answer[:40]
        return answer

    transport.send_message = send_utf_16
    converse(proto)


def utf_16_with_mark(to):
    """With a byte order mark."""
    utf_16(to, "utf-16")


def utf_16_without_mark(to):
    """Without one."""
    utf_16(to, "utf-16-le")


def messages_are_refused(to):
    """Without the service's consent nothing is executed; as from Windows, the status is a bare 500."""
    try:
        protocol(to).open_shell()
    except WinRMTransportError as error:
        same((error.code, error.response_text), (500, ""))
    except InvalidCredentialsError:
        pass
    else:
        raise AssertionError("a message in the clear was taken")


if __name__ == "__main__":
    sys.exit(
        peer.run(
            "pywinrm",
            ["ntlm"],
            [streams_and_exit_code, utf_16_with_mark, utf_16_without_mark, messages_are_refused],
        )
    )
