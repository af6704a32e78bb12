"""What the peer scripts share: their arguments, the password, and one line for each check that held.

    SCRIPT ENDPOINT USER AUTH [CHECK...]

ENDPOINT is a URL such as http://127.0.0.1:15985/wsman, AUTH is ntlm or negotiate (each script
says which it takes), and the password comes in TRANSOM_TEST_PASSWORD. Without CHECK every check
of the script runs; `SCRIPT --list` names them. The exit code is 0 only if every check held,
1 if one did not, and 2 if the script was called wrongly.
"""

import importlib.metadata
import os
import sys
import traceback
from dataclasses import dataclass, replace

# The fault that says "no output yet": OperationTimeout passed during a Receive.
OPERATION_TIMEOUT = 2150858793
# The fault that says that no shell has the ShellId of the request.
SHELL_NOT_FOUND = 2150858843


@dataclass(frozen=True)
class Peer:
    """Where a check connects to, and as whom."""

    endpoint: str
    user: str
    auth: str
    password: str


# The fault that says that as many users have shells as may.
MAX_SHELL_USERS = 0x803381AB
# HRESULT of Win32's "not enough quota".
NOT_ENOUGH_QUOTA = 2147944216

# Number, Python's name, and text that the page has.
CODE_PAGES = [
    (437, "cp437", "grüße ½ ░"),
    (850, "cp850", "grüße ½ õ ×"),
    (1252, "cp1252", "grüße € „so“"),
    (1251, "cp1251", "Привет, мир"),
    (936, "gbk", "简体中文 abc"),
    (65001, "utf-8", "grüße, 世界 😀"),
    (932, "cp932", "日本語 ｶﾅ abc"),
]


def run(package, auths, checks):
    """Runs the checks that the command line asks for; returns the exit code."""
    # The service under test is on loopback: no proxy of the environment may stand between.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
    named = {check.__name__: check for check in checks}
    arguments = sys.argv[1:]
    if arguments == ["--list"]:
        print("\n".join(named))
        return 0
    password = os.environ.get("TRANSOM_TEST_PASSWORD")
    if len(arguments) < 3 or arguments[2] not in auths or password is None:
        print(
            f"usage: TRANSOM_TEST_PASSWORD=... {sys.argv[0]} ENDPOINT USER {'|'.join(auths)} [CHECK...]",
            file=sys.stderr,
        )
        return 2
    unknown = [name for name in arguments[3:] if name not in named]
    if unknown:
        print(f"no such check: {', '.join(unknown)}; --list names them", file=sys.stderr)
        return 2
    peer = Peer(arguments[0], arguments[1], arguments[2], password)
    version = importlib.metadata.version(package)
    failed = 0
    for name in arguments[3:] or named:
        try:
            named[name](peer)
        except Exception:  # the other checks still have something to say
            failed += 1
            print(f"FAILED {package} {version}: {name} ({peer.auth})", file=sys.stderr)
            traceback.print_exc()
        else:
            print(f"PEER {package} {version}: {name} ({peer.auth}) ok", flush=True)
    return 1 if failed else 0


def same(got, wanted):
    """Fails with both values, each cut so that five megabytes do not fill the report."""
    assert got == wanted, f"got {got!r:.300}, wanted {wanted!r:.300}"


def slowly(text):
    """A command line that prints text, with a pause in the middle of its first longer character."""
    data = text.encode()
    place = next(place for place, byte in enumerate(data) if byte >= 0x80) + 1
    octal = lambda some: "".join(f"\\{byte:03o}" for byte in some)  # noqa: E731
    return f"printf '{octal(data[:place])}'; sleep 0.3; printf '{octal(data[place:])}'"


def other(to):
    """The same place, as the user that TRANSOM_TEST_OTHER names; the password is the same."""
    return replace(to, user=os.environ["TRANSOM_TEST_OTHER"])


def state_command(pid):
    """A command line that prints whether the process still runs; a zombie does not."""
    return (
        f"case \"$(cut -d' ' -f3 /proc/{int(pid)}/stat 2>/dev/null)\" in "
        "''|Z|X) echo gone;; *) echo running;; esac"
    )


def long_output():
    """A command that prints more than 5 MB, and the bytes that it prints, in order."""
    last = 765000
    return f"seq 1 {last}", b"".join(b"%d\n" % number for number in range(1, last + 1))
