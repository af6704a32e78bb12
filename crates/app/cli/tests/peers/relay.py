"""One whole conversation for each line of stdin, over a connection that somebody may cut.

    SCRIPT pywinrm|pypsrp USER

A line is a port on loopback, a blank and a command line, which gets some input. For each, in order,
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


def pypsrp(port, user, password, line):
    from pypsrp.shell import Process, SignalCode, WinRS
    from pypsrp.wsman import WSMan

    wsman = WSMan(
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
    )
    with wsman, WinRS(wsman) as shell:
        process = Process(shell, line)
        process.begin_invoke()
        process.send(INPUT, end=True)
        process.end_invoke()
        process.signal(SignalCode.TERMINATE)
    return process.stdout, process.rc


def main():
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
    logging.disable()
    package, user = sys.argv[1:]
    converse = {"pywinrm": pywinrm, "pypsrp": pypsrp}[package]
    password = os.environ["TRANSOM_TEST_PASSWORD"]

    def run(task):
        port, line = task.rstrip("\n").split(" ", 1)
        try:
            stdout, code = converse(int(port), user, password, line)
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}
        return {"stdout": stdout.decode(), "code": code}

    print(importlib.metadata.version(package), flush=True)
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(run, sys.stdin.readlines()):
            print(json.dumps(result), flush=True)


main()
