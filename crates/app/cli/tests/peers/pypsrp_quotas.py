"""pypsrp against a service with small quotas: 2 shells, 1 process in each, 4 operations."""

import contextlib
import sys

sys.dont_write_bytecode = True

from pypsrp.exceptions import WSManFaultError  # noqa: E402
from pypsrp.shell import Process, SignalCode  # noqa: E402

import peer  # noqa: E402
from peer import same  # noqa: E402
from pypsrp_winrs import finish, shell  # noqa: E402

# HRESULT of Win32's "not enough quota".
NOT_ENOUGH_QUOTA = 2147944216


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
        with refused(NOT_ENOUGH_QUOTA, "MaxProcessesPerShell"):
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


if __name__ == "__main__":
    sys.exit(
        peer.run("pypsrp", ["ntlm"], [shells_of_a_user, processes_of_a_shell, operations_of_a_user])
    )
