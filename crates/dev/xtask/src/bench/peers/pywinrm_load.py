"""pywinrm doing what `load` does: URL, user, password file, mode and number as arguments.

further N   N times a new connection, login, shell, `echo hi`, close; prints N
next N      N commands in one shell; prints the median of the requests until the caller has the exit code
output N    N bytes from `head -c`; prints seconds
input N     N bytes to `cat >/dev/null`; prints seconds
"""

import statistics
import sys
import time

import requests
import winrm

url, user, password_file, mode, number = sys.argv[1:]
with open(password_file, encoding="utf-8") as file:
    password = file.read().rstrip("\n")
number = int(number)


def session():
    return winrm.Session(
        url,
        auth=(user, password),
        transport="ntlm",
        message_encryption="auto" if url.startswith("https") else "always",
        server_cert_validation="ignore",
    )


def command(protocol, shell, line):
    """What Session.run_cmd does in a shell of its own: the Signal comes before the caller has the code."""
    started = protocol.run_command(shell, line)
    output, _, code = protocol.get_command_output(shell, started)
    protocol.cleanup_command(shell, started)
    if code != 0:
        sys.exit(f"exit code {code}")
    return output


def further():
    for _ in range(number):
        if session().run_cmd("echo hi").status_code != 0:
            sys.exit("the command failed")
    print(number)


def next_in_shell(protocol, shell):
    sent = 0
    send = requests.adapters.HTTPAdapter.send

    def counting(*arguments, **options):
        nonlocal sent
        sent += 1
        return send(*arguments, **options)

    command(protocol, shell, "echo hi")
    requests.adapters.HTTPAdapter.send = counting
    counts = []
    for _ in range(number):
        before = sent
        command(protocol, shell, "echo hi")
        counts.append(sent - before)
    print(statistics.median_low(counts))


def output(protocol, shell):
    start = time.monotonic()
    received = len(command(protocol, shell, f"head -c {number} /dev/zero"))
    print(time.monotonic() - start)
    if received != number:
        sys.exit(f"{received} bytes")


def send(protocol, shell):
    # The most that fits in an envelope of 150 KB, base64 and all.
    piece = bytes(100_000)
    start = time.monotonic()
    started = protocol.run_command(shell, "cat >/dev/null")
    for at in range(0, number, len(piece)):
        protocol.send_command_input(shell, started, piece[: number - at], end=at + len(piece) >= number)
    _, _, code = protocol.get_command_output(shell, started)
    print(time.monotonic() - start)
    if code != 0:
        sys.exit(f"exit code {code}")


if mode == "further":
    further()
else:
    protocol = session().protocol
    shell = protocol.open_shell()
    try:
        {"next": next_in_shell, "output": output, "input": send}[mode](protocol, shell)
    finally:
        protocol.close_shell(shell)
