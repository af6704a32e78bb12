"""pywinrm against a service with small quotas: 2 shells, 1 process in each, 4 operations."""

import contextlib
import sys

sys.dont_write_bytecode = True

from winrm.exceptions import WSManFaultError  # noqa: E402

import peer  # noqa: E402
from peer import same  # noqa: E402
from pywinrm_protocol import finish, protocol, shell  # noqa: E402

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


if __name__ == "__main__":
    sys.exit(peer.run("pywinrm", ["ntlm"], [shells_of_a_user, operations_of_a_user]))
