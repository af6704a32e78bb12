"""pypsrp against a service with small quotas: 2 shells, 1 process in each, 4 operations, envelopes of 32 KiB.

`users_with_shells` wants a service with one such user, which has a shell, and another account named by
TRANSOM_TEST_OTHER; `idle_shell_is_gone` an IdleTimeout of a minute.
"""

import contextlib
import sys
import time

sys.dont_write_bytecode = True

from pypsrp.exceptions import WinRMTransportError, WSManFaultError  # noqa: E402
from pypsrp.shell import Process, SignalCode, WinRS  # noqa: E402

import peer  # noqa: E402
from peer import same  # noqa: E402
from pypsrp_winrs import connection, finish, shell  # noqa: E402


@contextlib.contextmanager
def refused(code, name):
    """What runs inside ends with this fault, whose text names the quota."""
    try:
        yield
    except WSManFaultError as fault:
        same(fault.code, code)
        assert name in fault.reason, fault.reason
    else:
        raise AssertionError(f"{name} was not observed")


def shells_of_a_user(to):
    """A third shell is refused; as with Windows, the fault has no WSManFault to take a number from."""
    with shell(to), shell(to):
        with refused("w:QuotaLimit", "MaxShellsPerUser"), shell(to):
            pass
    with shell(to) as opened:
        same(finish(opened, "echo again"), (b"again\n", b"", 0))


def processes_of_a_shell(to):
    """A second process is refused until the first has ended."""
    with shell(to) as opened:
        first = Process(opened, "cat")
        first.begin_invoke()
        with refused(peer.NOT_ENOUGH_QUOTA, "MaxProcessesPerShell"):
            Process(opened, "echo refused").begin_invoke()
        first.send(b"", end=True)
        first.end_invoke()
        same(finish(opened, "echo next"), (b"next\n", b"", 0))


def operations_of_a_user(to):
    """Commands that were not terminated keep their places; one that was gives its own back."""
    with shell(to) as opened:
        done = []
        for _ in range(3):
            process = Process(opened, "echo done")
            process.begin_invoke()
            process.end_invoke()
            done.append(process)
        with refused("w:QuotaLimit", "MaxConcurrentOperationsPerUser"):
            Process(opened, "echo refused").begin_invoke()
        done[0].signal(SignalCode.TERMINATE)
        same(finish(opened, "echo next"), (b"next\n", b"", 0))


def envelope_of_the_service(to):
    """A larger envelope than MaxEnvelopeSizekb is answered with status 413, and the shell goes on."""
    with shell(to) as opened:
        process = Process(opened, "cat")
        process.begin_invoke()
        try:
            process.send(b"x" * 60_000, end=True)
        except WinRMTransportError as error:
            same(error.code, 413)
        else:
            raise AssertionError("an envelope of 80 KB was taken")
        # The service has ended the connection, as it must with a body that it does not read.
        transport = opened.wsman.transport
        transport.session.close()
        transport.session = transport.encryption = None
        process.send(b"small", end=True)
        process.end_invoke()
        same((process.stdout, process.rc), (b"small", 0))


def users_with_shells(to):
    """Another user's first shell is refused with a fault that has its number."""
    with refused(peer.MAX_SHELL_USERS, "MaxConcurrentUsers"), shell(peer.other(to)):
        pass


def idle_shell_is_gone(to):
    """A shell that was left alone for longer than its idle time is unknown."""
    with connection(to) as wsman:
        opened = WinRS(wsman)
        opened.open()
        same(finish(opened, "echo first"), (b"first\n", b"", 0))
        time.sleep(63)
        try:
            opened.command("echo never", [])
        except WSManFaultError as fault:
            same(fault.code, peer.SHELL_NOT_FOUND)
        else:
            raise AssertionError("an idle shell took a command")


if __name__ == "__main__":
    sys.exit(
        peer.run(
            "pypsrp",
            ["ntlm"],
            [
                shells_of_a_user,
                processes_of_a_shell,
                operations_of_a_user,
                envelope_of_the_service,
                users_with_shells,
                idle_shell_is_gone,
            ],
        )
    )
