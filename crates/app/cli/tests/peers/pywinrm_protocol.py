"""pywinrm's `Protocol` against a service, one call for each message: NTLM, every message sealed.

Takes AUTH ntlm: pywinrm 0.5 speaks NTLM by requests-ntlm only, without SPNEGO.
"""

import contextlib
import sys
import time

sys.dont_write_bytecode = True

from winrm.exceptions import WinRMOperationTimeoutError, WSManFaultError  # noqa: E402
from winrm.protocol import Protocol  # noqa: E402

import peer  # noqa: E402
from peer import same  # noqa: E402


def protocol(to, **options):
    """A new Protocol, which logs in with its first message."""
    return Protocol(
        endpoint=to.endpoint,
        transport=to.auth,
        username=to.user,
        password=to.password,
        message_encryption="always",
        **options,
    )


@contextlib.contextmanager
def shell(to, proto=None, **options):
    """An open shell as (protocol, shell id), deleted at the end."""
    proto = proto or protocol(to)
    shell_id = proto.open_shell(**options)
    try:
        yield proto, shell_id
    finally:
        proto.close_shell(shell_id)


def output(proto, shell_id, command_id):
    """Everything that a command prints until it ends, and its exit code; then the last Signal."""
    result = proto.get_command_output(shell_id, command_id)
    proto.cleanup_command(shell_id, command_id)
    return result


def finish(proto, shell_id, line):
    """Runs one command line to its end."""
    return output(proto, shell_id, proto.run_command(shell_id, line))


def stdin(to):
    """One Send with End: the command sees its input and then the end of it."""
    with shell(to) as (proto, shell_id):
        command = proto.run_command(shell_id, "sort")
        proto.send_command_input(shell_id, command, b"b\na\n", end=True)
        same(output(proto, shell_id, command), (b"a\nb\n", b"", 0))


def stdin_in_pieces(to):
    """Several Sends arrive in order, and an empty one with End closes the pipe."""
    with shell(to) as (proto, shell_id):
        command = proto.run_command(shell_id, "cat; echo end")
        for piece in (b"one ", b"two ", b"\x00\xff\n"):
            proto.send_command_input(shell_id, command, piece)
        proto.send_command_input(shell_id, command, b"", end=True)
        same(output(proto, shell_id, command), (b"one two \x00\xff\nend\n", b"", 0))


def environment(to):
    """Variables of the Create are in the command's environment, spaces and signs kept."""
    wanted = {"TRANSOM_GREETING": "hello <world> & more", "TRANSOM_SECOND": "zwei ü"}
    with shell(to, env_vars=wanted, codepage=65001) as (proto, shell_id):
        line = 'printf "%s|%s" "$TRANSOM_GREETING" "$TRANSOM_SECOND"; exit 0'
        same(finish(proto, shell_id, line), ("hello <world> & more|zwei ü".encode(), b"", 0))


def working_directory(to):
    """Commands start in the directory of the Create."""
    with shell(to, working_directory="/usr") as (proto, shell_id):
        same(finish(proto, shell_id, "pwd"), (b"/usr\n", b"", 0))


def long_output(to):
    """More than 5 MB of output arrive whole and in order."""
    line, wanted = peer.long_output()
    with shell(to) as (proto, shell_id):
        stdout, stderr, code = finish(proto, shell_id, line)
        same((len(stdout), stderr, code), (len(wanted), b"", 0))
        same(stdout, wanted)


def outlives_operation_timeout(to):
    """A silent command answers a Receive with the timeout fault, and goes on."""
    proto = protocol(to, operation_timeout_sec=2, read_timeout_sec=20)
    with shell(to, proto) as (_, shell_id):
        command = proto.run_command(shell_id, "sleep 6; echo late; exit 3")
        timeouts, stdout, done, code = 0, b"", False, None
        while not done:
            try:
                out, _, code, done = proto.get_command_output_raw(shell_id, command)
                stdout += out
            except WinRMOperationTimeoutError:
                timeouts += 1
        proto.cleanup_command(shell_id, command)
        same((stdout, code), (b"late\n", 3))
        assert timeouts, "no Receive ended with the timeout fault"


def exit_codes(to):
    """Exit codes pass through."""
    with shell(to) as (proto, shell_id):
        for code in (0, 1, 7, 127, 255):
            same(finish(proto, shell_id, f"exit {code}"), (b"", b"", code))


def exit_code_of_a_killed_command(to):
    """A command that a signal ended exits with 128 and the signal's number."""
    with shell(to) as (proto, shell_id):
        same(finish(proto, shell_id, "kill -KILL $$"), (b"", b"", 137))
        same(finish(proto, shell_id, "kill -TERM $$"), (b"", b"", 143))


def standard_error(to):
    """Standard error is a stream of its own."""
    with shell(to) as (proto, shell_id):
        same(finish(proto, shell_id, "echo one; echo two >&2; echo three"), (b"one\nthree\n", b"two\n", 0))


def two_commands_in_a_shell(to):
    """A second command runs and ends while the first still waits for its input."""
    with shell(to) as (proto, shell_id):
        first = proto.run_command(shell_id, "cat")
        same(finish(proto, shell_id, "echo second"), (b"second\n", b"", 0))
        proto.send_command_input(shell_id, first, b"first\n", end=True)
        same(output(proto, shell_id, first), (b"first\n", b"", 0))


def unicode(to):
    """Characters outside ASCII pass in the command line and in its output."""
    with shell(to, codepage=65001) as (proto, shell_id):
        stdout, _, code = finish(proto, shell_id, "printf '%s' 'grüße, 世界 😀 <&>'")
        same((stdout.decode("utf-8"), code), ("grüße, 世界 😀 <&>", 0))


def code_pages(to):
    """Output and input are in the code page that the shell was opened with."""
    for number, codec, text in peer.CODE_PAGES:
        with shell(to, codepage=number) as (proto, shell_id):
            wanted = text.encode(codec)
            same(finish(proto, shell_id, f"printf '%s' '{text}'"), (wanted, b"", 0))
            same(finish(proto, shell_id, peer.slowly(text)), (wanted, b"", 0))
            # The command reads UTF-8, however the client's pieces break its characters.
            line = f"test \"$(cat)\" = '{text}' && echo same"
            command = proto.run_command(shell_id, line)
            for place in range(len(wanted)):
                proto.send_command_input(shell_id, command, wanted[place : place + 1])
            proto.send_command_input(shell_id, command, b"", end=True)
            same(output(proto, shell_id, command), (b"same\n", b"", 0))


def program_without_the_shell(to):
    """WINRS_SKIP_CMD_SHELL starts the program itself: nothing expands its arguments."""
    with shell(to) as (proto, shell_id):
        command = proto.run_command(shell_id, "/bin/echo", ["$HOME", "two"], skip_cmd_shell=True)
        same(output(proto, shell_id, command), (b"$HOME two\n", b"", 0))


def terminate(to):
    """Signal terminate ends the command and what it started."""
    with shell(to) as (proto, shell_id):
        command = proto.run_command(shell_id, "sleep 600 & echo $!; wait")
        pid = b""
        while not pid.endswith(b"\n"):
            pid += proto.get_command_output_raw(shell_id, command)[0]
        proto.cleanup_command(shell_id, command)
        # Terminate asks first and kills after a grace period.
        for _ in range(150):
            if finish(proto, shell_id, peer.state_command(pid))[0] == b"gone\n":
                return
            time.sleep(0.1)
        raise AssertionError("a process of the terminated command still runs")


def closed_shell_is_gone(to):
    """After Delete the shell's id names nothing."""
    proto = protocol(to)
    shell_id = proto.open_shell()
    same(finish(proto, shell_id, "exit 0")[2], 0)
    proto.close_shell(shell_id)
    try:
        proto.run_command(shell_id, "echo never")
    except WSManFaultError as fault:
        same(fault.wsman_fault_code, peer.SHELL_NOT_FOUND)
    else:
        raise AssertionError("a deleted shell took a command")


if __name__ == "__main__":
    sys.exit(
        peer.run(
            "pywinrm",
            ["ntlm"],
            [
                stdin,
                stdin_in_pieces,
                environment,
                working_directory,
                long_output,
                outlives_operation_timeout,
                exit_codes,
                exit_code_of_a_killed_command,
                standard_error,
                two_commands_in_a_shell,
                unicode,
                code_pages,
                program_without_the_shell,
                terminate,
                closed_shell_is_gone,
            ],
        )
    )
