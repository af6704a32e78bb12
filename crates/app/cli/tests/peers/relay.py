"""One whole conversation for each line of stdin, over a connection that somebody may cut.

    SCRIPT pywinrm|pypsrp|pypsrp_pool USER

A line is a port on loopback, a blank and a command line, which gets some input; for pypsrp_pool it is a script of
PowerShell, whose output comes one object a line, and the code is 0 where it completed. For each, in order,
one line of JSON comes out: the output and the exit code, or the error. The password comes in
TRANSOM_TEST_PASSWORD.
"""

import importlib.metadata
import json
import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True

INPUT = b"some input\n"
# A connection that is cut is noticed at once; this ends what would wait for ever, in seconds.
PATIENCE = 20


def pywinrm(port, user, password, line):
    from winrm.protocol import Protocol

    protocol = Protocol(
        endpoint=f"http://127.0.0.1:{port}/wsman",
        transport="ntlm",
        username=user,
        password=password,
        message_encryption="always",
        operation_timeout_sec=PATIENCE // 2,
        read_timeout_sec=PATIENCE,
    )
    shell = protocol.open_shell()
    try:
        command = protocol.run_command(shell, line)
        try:
            protocol.send_command_input(shell, command, INPUT, end=True)
            stdout, _, code = protocol.get_command_output(shell, command)
        finally:
            protocol.cleanup_command(shell, command)
    finally:
        protocol.close_shell(shell)
    return stdout, code


def wsman_of(port, user, password, **more):
    from pypsrp.wsman import WSMan

    return WSMan(
        "127.0.0.1",
        port=port,
        username=user,
        password=password,
        ssl=False,
        auth="negotiate",
        encryption="always",
        no_proxy=True,
        operation_timeout=PATIENCE // 2,
        read_timeout=PATIENCE,
        **more,
    )


def pypsrp(port, user, password, line):
    from pypsrp.shell import Process, SignalCode, WinRS

    wsman = wsman_of(port, user, password)
    with wsman, WinRS(wsman) as shell:
        process = Process(shell, line)
        process.begin_invoke()
        process.send(INPUT, end=True)
        process.end_invoke()
        process.signal(SignalCode.TERMINATE)
    return process.stdout, process.rc


def pypsrp_pool(port, user, password, script):
    from pypsrp.powershell import PowerShell, PSInvocationState, RunspacePool

    wsman = wsman_of(port, user, password, reconnection_retries=3, reconnection_backoff=0.1)
    # What is given up is gone after the shortest idle time that there is.
    with wsman, RunspacePool(wsman, idle_timeout=60) as pool:
        shell = PowerShell(pool)
        shell.add_script(script)
        output = shell.invoke()
        code = 0 if shell.state == PSInvocationState.COMPLETED else 1
    return "".join(f"{one}\n" for one in output).encode(), code


def main():
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
    logging.disable()
    package, user = sys.argv[1:]
    converse = {"pywinrm": pywinrm, "pypsrp": pypsrp, "pypsrp_pool": pypsrp_pool}[package]
    password = os.environ["TRANSOM_TEST_PASSWORD"]

    def run(task):
        port, line = task.rstrip("\n").split(" ", 1)
        try:
            stdout, code = converse(int(port), user, password, line)
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}
        return {"stdout": stdout.decode(), "code": code}

    print(importlib.metadata.version(package.partition("_")[0]), flush=True)
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(run, sys.stdin.readlines()):
            print(json.dumps(result), flush=True)


main()
