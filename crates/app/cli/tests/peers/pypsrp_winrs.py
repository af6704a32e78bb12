"""pypsrp's `WinRS` and `Process` against a service: NTLM or SPNEGO, every message sealed."""

import contextlib
import sys
import time
import uuid
from urllib.parse import urlsplit

sys.dont_write_bytecode = True

from pypsrp.exceptions import AuthenticationError, WSManFaultError  # noqa: E402
from pypsrp.shell import CommandState, Process, SignalCode, WinRS  # noqa: E402
from pypsrp.wsman import WSMan  # noqa: E402

import peer  # noqa: E402
from peer import same  # noqa: E402


def connection(to, password=None, **options):
    """A new connection, which logs in with its first message."""
    url = urlsplit(to.endpoint)
    return WSMan(
        url.hostname,
        port=url.port,
        path=url.path.strip("/") or "wsman",
        username=to.user,
        password=password or to.password,
        ssl=False,
        auth=to.auth,
        encryption="always",
        no_proxy=True,
        **options,
    )


@contextlib.contextmanager
def shell(to, wsman=None, **options):
    """An open shell, deleted at the end."""
    with wsman or connection(to) as open_connection, WinRS(open_connection, **options) as opened:
        yield opened


def finish(opened, executable, arguments=None, **options):
    """Runs one command to its end and gives (stdout, stderr, exit code)."""
    process = Process(opened, executable, arguments, **options)
    process.invoke()
    process.signal(SignalCode.TERMINATE)
    return process.stdout, process.stderr, process.rc


def streams_and_exit_code(to):
    """Both streams arrive apart, and the exit code with them."""
    with shell(to) as opened:
        same(finish(opened, "echo out; echo err >&2; exit 7"), (b"out\n", b"err\n", 7))


def arguments(to):
    """Each element of Arguments follows the command on its line."""
    with shell(to) as opened:
        same(finish(opened, "echo", ["one", "two", "three"]), (b"one two three\n", b"", 0))


def environment(to):
    """Variables of the Create are in the command's environment, spaces and signs kept."""
    wanted = {"TRANSOM_GREETING": "hello <world> & more", "TRANSOM_SECOND": "zwei ü"}
    with shell(to, environment=wanted) as opened:
        line = 'printf "%s|%s" "$TRANSOM_GREETING" "$TRANSOM_SECOND"; exit 0'
        same(finish(opened, line), ("hello <world> & more|zwei ü".encode(), b"", 0))


def working_directory(to):
    """Commands start in the directory of the Create."""
    with shell(to, working_directory="/usr") as opened:
        same(finish(opened, "pwd"), (b"/usr\n", b"", 0))


def stdin(to):
    """Several Sends arrive in order, the last one with End."""
    with shell(to) as opened:
        process = Process(opened, "sort")
        process.begin_invoke()
        process.send(b"c\nb\n", end=False)
        process.send(b"a\n", end=True)
        process.end_invoke()
        same((process.stdout, process.stderr, process.rc), (b"a\nb\nc\n", b"", 0))


def begin_poll_end(to):
    """Output arrives while the command runs: it waits for an answer to what was seen."""
    with shell(to) as opened:
        process = Process(opened, "echo question; read answer; echo got $answer; exit 5")
        process.begin_invoke()
        while b"question\n" not in process.stdout:
            process.poll_invoke()
        assert process.state != CommandState.DONE, "the command ended before its input"
        process.send(b"42\n")
        process.end_invoke()
        same((process.stdout, process.rc), (b"question\ngot 42\n", 5))


def long_output(to):
    """More than 5 MB of output arrive whole and in order."""
    line, wanted = peer.long_output()
    with shell(to) as opened:
        stdout, stderr, code = finish(opened, line)
        same((len(stdout), stderr, code), (len(wanted), b"", 0))
        same(stdout, wanted)


def outlives_operation_timeout(to):
    """A silent command answers a Receive with the timeout fault, and goes on."""
    with shell(to, connection(to, operation_timeout=2, read_timeout=20)) as opened:
        process = Process(opened, "sleep 6; echo late; exit 3")
        process.begin_invoke()
        try:
            opened.receive("stdout stderr", process.id)
        except WSManFaultError as fault:
            same(fault.code, peer.OPERATION_TIMEOUT)
        else:
            raise AssertionError("a Receive on a silent command ended without the timeout fault")
        process.end_invoke()
        same((process.stdout, process.rc), (b"late\n", 3))


def ctrl_c_reaches_the_command(to):
    """Signal ctrl_c is an interrupt, which the command may answer as it likes."""
    with shell(to) as opened:
        process = Process(
            opened, "trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 0.1; done"
        )
        process.begin_invoke()
        while b"ready\n" not in process.stdout:
            process.poll_invoke()
        process.signal(SignalCode.CTRL_C)
        process.end_invoke()
        same((process.stdout, process.rc), (b"ready\ninterrupted\n", 9))


def ctrl_c_ends_a_plain_command(to):
    """Signal ctrl_c ends a command that does not catch it, with 128 and the signal's number."""
    with shell(to) as opened:
        process = Process(opened, "echo ready; sleep 600")
        process.begin_invoke()
        while b"ready\n" not in process.stdout:
            process.poll_invoke()
        # Debian's sh loses a signal that comes while it starts a program.
        time.sleep(0.5)
        process.signal(SignalCode.CTRL_C)
        process.end_invoke()
        same((process.stdout, process.rc), (b"ready\n", 130))


def terminate(to):
    """Signal terminate, spelled with a capital letter here, ends what the command started."""
    with shell(to) as opened:
        process = Process(opened, "sleep 600 & echo $!; wait")
        process.begin_invoke()
        while not process.stdout.endswith(b"\n"):
            process.poll_invoke()
        process.signal(SignalCode.TERMINATE)
        # Terminate asks first and kills after a grace period.
        for _ in range(150):
            if finish(opened, peer.state_command(process.stdout))[0] == b"gone\n":
                return
            time.sleep(0.1)
        raise AssertionError("a process of the terminated command still runs")


def two_commands_in_a_shell(to):
    """A second command runs and ends while the first still waits for its input."""
    with shell(to) as opened:
        first = Process(opened, "cat")
        first.begin_invoke()
        same(finish(opened, "echo second"), (b"second\n", b"", 0))
        first.send(b"first\n")
        first.end_invoke()
        same((first.stdout, first.rc), (b"first\n", 0))


def many_commands_in_a_shell(to):
    """Ten processes run at once in one shell, each with its own input, output and end."""
    with shell(to) as opened:
        processes = [Process(opened, f"cat; exit {number}") for number in range(10)]
        for process in processes:
            process.begin_invoke()
        for number, process in reversed(list(enumerate(processes))):
            process.send(f"to {number}\n".encode(), end=True)
        for number, process in enumerate(processes):
            process.end_invoke()
            same((process.stdout, process.rc), (f"to {number}\n".encode(), number))


def chosen_shell_id(to):
    """A ShellId that the client chose is the shell's id."""
    wanted = str(uuid.uuid4()).upper()
    with shell(to, id=wanted) as opened:
        same(opened.id, wanted)
        same(finish(opened, "echo hi"), (b"hi\n", b"", 0))


def chosen_command_id(to):
    """A CommandId that the client chose is the command's id."""
    wanted = str(uuid.uuid4()).upper()
    with shell(to) as opened:
        opened.command("echo hi", [], command_id=wanted)
        process = Process(opened, "", id=wanted)
        process.end_invoke()
        same((process.stdout, process.rc), (b"hi\n", 0))


def unicode(to):
    """Characters outside ASCII pass in the command line and in its output."""
    with shell(to, codepage=65001) as opened:
        stdout, _, code = finish(opened, "printf '%s' 'grüße, 世界 😀 <&>'")
        same((stdout.decode("utf-8"), code), ("grüße, 世界 😀 <&>", 0))


def code_pages(to):
    """Output and input are in the code page that the shell was opened with."""
    for number, codec, text in peer.CODE_PAGES:
        with shell(to, codepage=number) as opened:
            wanted = text.encode(codec)
            same(finish(opened, f"printf '%s' '{text}'"), (wanted, b"", 0))
            same(finish(opened, peer.slowly(text)), (wanted, b"", 0))
            # The command reads UTF-8, however the client's pieces break its characters.
            process = Process(opened, f"test \"$(cat)\" = '{text}' && echo same")
            process.begin_invoke()
            for place in range(len(wanted)):
                process.send(wanted[place : place + 1], end=place + 1 == len(wanted))
            process.end_invoke()
            process.signal(SignalCode.TERMINATE)
            same((process.stdout, process.rc), (b"same\n", 0))


def program_without_the_shell(to):
    """WINRS_SKIP_CMD_SHELL starts the program itself: nothing expands its arguments."""
    with shell(to) as opened:
        same(finish(opened, "/bin/echo", ["$HOME", "two"], no_shell=True), (b"$HOME two\n", b"", 0))


def closed_shell_is_gone(to):
    """After Delete the shell's id names nothing."""
    with connection(to) as wsman:
        opened = WinRS(wsman)
        opened.open()
        opened.close()
        try:
            opened.command("echo never", [])
        except WSManFaultError as fault:
            same(fault.code, peer.SHELL_NOT_FOUND)
        else:
            raise AssertionError("a deleted shell took a command")


def wrong_password(to):
    """A wrong password is refused before any command runs."""
    try:
        with shell(to, connection(to, password=to.password + "x")):
            pass
    except AuthenticationError:
        return
    raise AssertionError("a wrong password was accepted")


if __name__ == "__main__":
    sys.exit(
        peer.run(
            "pypsrp",
            ["ntlm", "negotiate"],
            [
                streams_and_exit_code,
                arguments,
                environment,
                working_directory,
                stdin,
                begin_poll_end,
                long_output,
                outlives_operation_timeout,
                ctrl_c_reaches_the_command,
                ctrl_c_ends_a_plain_command,
                terminate,
                two_commands_in_a_shell,
                many_commands_in_a_shell,
                chosen_shell_id,
                chosen_command_id,
                unicode,
                code_pages,
                program_without_the_shell,
                closed_shell_is_gone,
                wrong_password,
            ],
        )
    )
