"""pypsrp's WinRS doing what `load` does: URL, user, password file, mode and number as arguments.

once N      one command on a new connection, N is not used; prints its output
further N   N times a new connection, login, shell, `echo hi`, close; prints N
next N      N commands in one shell; prints the median of the requests until the caller has the exit code
pool N      N times a new connection with a pool for the script `'2'`; prints the output
output N    N bytes from `head -c`; prints seconds
input N     N bytes to `cat >/dev/null`; prints seconds
"""

import statistics
import sys
import time
import warnings
from urllib.parse import urlsplit

import requests
from pypsrp.client import Client
from pypsrp.shell import Process, SignalCode, WinRS
from pypsrp.wsman import WSMan

url, user, password_file, mode, number = sys.argv[1:]
with open(password_file, encoding="utf-8") as file:
    password = file.read().rstrip("\n")
number = int(number)
parts = urlsplit(url)
warnings.simplefilter("ignore")


def connection():
    return WSMan(
        parts.hostname,
        port=parts.port,
        path="wsman",
        username=user,
        password=password,
        ssl=parts.scheme == "https",
        cert_validation=False,
        auth="ntlm",
        encryption="auto" if parts.scheme == "https" else "always",
        no_proxy=True,
    )


def command(shell, line):
    """What Client.execute_cmd does in a shell of its own: the Signal comes before the caller has the code."""
    process = Process(shell, line)
    process.invoke()
    process.signal(SignalCode.CTRL_C)
    if process.rc != 0:
        sys.exit(f"exit code {process.rc}")
    return process.stdout


def once():
    with connection() as wsman, WinRS(wsman) as shell:
        sys.stdout.buffer.write(command(shell, "echo hi"))


def further():
    for _ in range(number):
        with connection() as wsman, WinRS(wsman) as shell:
            command(shell, "echo hi")
    print(number)


def next_in_shell(shell):
    sent = 0
    send = requests.adapters.HTTPAdapter.send

    def counting(*arguments, **options):
        nonlocal sent
        sent += 1
        return send(*arguments, **options)

    command(shell, "echo hi")
    requests.adapters.HTTPAdapter.send = counting
    counts = []
    for _ in range(number):
        before = sent
        command(shell, "echo hi")
        counts.append(sent - before)
    print(statistics.median_low(counts))


def pool():
    for _ in range(number):
        with connection() as wsman:
            # The client's own connection is made with these options.
            client = Client.__new__(Client)
            client.wsman = wsman
            print(client.execute_ps("'2'")[0])


def output(shell):
    start = time.monotonic()
    received = len(command(shell, f"head -c {number} /dev/zero"))
    print(time.monotonic() - start)
    if received != number:
        sys.exit(f"{received} bytes")


def send(shell):
    # The most that fits in an envelope of 150 KB, base64 and all.
    piece = bytes(100_000)
    start = time.monotonic()
    process = Process(shell, "cat >/dev/null")
    process.begin_invoke()
    for at in range(0, number, len(piece)):
        process.send(piece[: number - at], end=at + len(piece) >= number)
    process.end_invoke()
    print(time.monotonic() - start)
    if process.rc != 0:
        sys.exit(f"exit code {process.rc}")


if mode in ("once", "further", "pool"):
    {"once": once, "further": further, "pool": pool}[mode]()
else:
    with connection() as wsman, WinRS(wsman) as opened:
        {"next": next_in_shell, "output": output, "input": send}[mode](opened)
