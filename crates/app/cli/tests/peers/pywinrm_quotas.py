"""pywinrm against a service with small quotas: 2 shells, 1 process in each, 4 operations, envelopes of 32 KiB.

`users_with_shells` wants a service with one such user, which has a shell, and another account named by
TRANSOM_TEST_OTHER; `idle_shell_is_gone` an IdleTimeout of a minute.
"""

import contextlib
import sys
import time

sys.dont_write_bytecode = True

from winrm.exceptions import WinRMTransportError, WSManFaultError  # noqa: E402

import peer  # noqa: E402
from peer import same  # noqa: E402
from pywinrm_protocol import finish, output, protocol, shell  # noqa: E402

# The numbers that programs on top of pywinrm take for "close a shell and try again".
MAX_SHELLS = 0x803381A5
MAX_OPERATIONS = 0x803381A6


@contextlib.contextmanager
def refused(number):
    """What runs inside ends with a fault whose MSFT_WmiError has this number."""
    try:
        yield
    except WSManFaultError as fault:
        same(fault.wmierror_code, number)
    else:
        raise AssertionError(f"{number:#x} was not observed")


@contextlib.contextmanager
def faulted(number, name=""):
    """What runs inside ends with a fault whose WSManFault has this number."""
    try:
        yield
    except WSManFaultError as fault:
        same(fault.wsman_fault_code, number)
        assert name in fault.reason, fault.reason
    else:
        raise AssertionError(f"{number:#x} was not observed")


def shells_of_a_user(to):
    """A third shell is refused; when one is closed there is room again."""
    with shell(to), shell(to):
        with refused(MAX_SHELLS):
            protocol(to).open_shell()
    with shell(to) as (proto, shell_id):
        same(finish(proto, shell_id, "echo again"), (b"again\n", b"", 0))


def operations_of_a_user(to):
    """Commands that were not cleaned up fill the quota; a new shell has room again."""
    with shell(to) as (proto, shell_id):
        for _ in range(3):
            command = proto.run_command(shell_id, "echo done")
            proto.get_command_output(shell_id, command)
        with refused(MAX_OPERATIONS):
            proto.run_command(shell_id, "echo refused")
    with shell(to) as (proto, shell_id):
        same(finish(proto, shell_id, "echo next"), (b"next\n", b"", 0))


def processes_of_a_shell(to):
    """A second process is refused until the first has ended."""
    with shell(to) as (proto, shell_id):
        first = proto.run_command(shell_id, "cat")
        with faulted(peer.NOT_ENOUGH_QUOTA, "MaxProcessesPerShell"):
            proto.run_command(shell_id, "echo refused")
        proto.send_command_input(shell_id, first, b"", end=True)
        same(output(proto, shell_id, first), (b"", b"", 0))
        same(finish(proto, shell_id, "echo next"), (b"next\n", b"", 0))


def envelope_of_the_service(to):
    """A larger envelope than MaxEnvelopeSizekb is answered with status 413, and the shell goes on."""
    with shell(to) as (proto, shell_id):
        command = proto.run_command(shell_id, "cat")
        try:
            proto.send_command_input(shell_id, command, b"x" * 60_000, end=True)
        except WinRMTransportError as error:
            same(error.code, 413)
        else:
            raise AssertionError("an envelope of 80 KB was taken")
        # The service has ended the connection, as it must with a body that it does not read.
        proto.transport.close_session()
        proto.send_command_input(shell_id, command, b"small", end=True)
        same(output(proto, shell_id, command), (b"small", b"", 0))


def users_with_shells(to):
    """Another user's first shell is refused with a fault that has its number."""
    with faulted(peer.MAX_SHELL_USERS, "MaxConcurrentUsers"):
        protocol(peer.other(to)).open_shell()


def idle_shell_is_gone(to):
    """A shell that was left alone for longer than its idle time is unknown."""
    proto = protocol(to)
    shell_id = proto.open_shell()
    same(finish(proto, shell_id, "echo first"), (b"first\n", b"", 0))
    time.sleep(63)
    with faulted(peer.SHELL_NOT_FOUND):
        proto.run_command(shell_id, "echo never")


if __name__ == "__main__":
    sys.exit(
        peer.run(
            "pywinrm",
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
