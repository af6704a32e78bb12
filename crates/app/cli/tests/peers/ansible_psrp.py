"""Ansible's `psrp` connection plug-in against a service: the modules `raw` and `script`, as a playbook uses them.

`raw` sends a script and brings back what it wrote. What else Ansible does on a Windows host goes through its own
PowerShell wrapper (`script`, `win_command`, `setup` and the rest): hundreds of lines with classes, .NET reflection and
compiled C#, which only a PowerShell understands. With the stand-in engine that ends with the engine's error, which
Ansible must report as a failed task and not as a success.
"""

import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

sys.dont_write_bytecode = True

import peer  # noqa: E402
from peer import same  # noqa: E402

# Longer than any of these tasks takes, in seconds.
PATIENCE = 120


def ran(to, module, arguments, **variables):
    """What one task of one module came to: Ansible's own account of it."""
    url = urlsplit(to.endpoint)
    host = {
        "ansible_host": url.hostname,
        "ansible_connection": "psrp",
        "ansible_shell_type": "powershell",
        "ansible_user": to.user,
        "ansible_password": "{{ lookup('ansible.builtin.env', 'TRANSOM_TEST_PASSWORD') }}",
        "ansible_port": url.port,
        "ansible_psrp_protocol": url.scheme,
        "ansible_psrp_path": url.path.strip("/"),
        "ansible_psrp_auth": to.auth,
        "ansible_psrp_cert_validation": "ignore",
        "ansible_psrp_ignore_proxy": True,
        # Of Kerberos: the ticket may go on from there.
        "ansible_psrp_negotiate_delegate": True,
        **variables,
    }
    with tempfile.TemporaryDirectory(prefix="transom-ansible-") as folder:
        inventory = Path(folder, "hosts.json")
        inventory.write_text(json.dumps({"all": {"hosts": {"target": host}}}))
        environment = os.environ | {
            "ANSIBLE_HOME": folder,
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
            "ANSIBLE_NOCOLOR": "True",
            "LC_ALL": "C.UTF-8",
        }
        program = Path(sys.executable).with_name("ansible")
        command = [sys.executable, program, "target", "-i", inventory, "-m", module, "-a", arguments]
        return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)


def lines(result):
    """What the task wrote, behind the line that says how it went."""
    return [line.strip() for line in result.stdout.splitlines()[1:] if line.strip()]


def short(result):
    """For a report: Ansible repeats whole scripts in its errors."""
    return f"ended with {result.returncode}, said {result.stdout[:400]!r} and {result.stderr[:400]!r}"


def raw_brings_back_what_a_script_wrote(to):
    result = ran(to, "ansible.builtin.raw", "1 + 1; 'zwei ß 😀'; Write-Output three")
    assert result.returncode == 0, short(result)
    assert " | CHANGED | rc=0 >>" in result.stdout, short(result)
    same(lines(result), ["2", "zwei ß 😀", "three"])


def raw_reports_an_error_as_a_failed_task(to):
    result = ran(to, "ansible.builtin.raw", "'before'; throw 'out of order'")
    assert result.returncode != 0, short(result)
    assert "FAILED" in result.stdout and "out of order" in result.stdout, short(result)


def raw_has_the_exit_code_of_a_program(to):
    result = ran(to, "ansible.builtin.raw", "sh -c 'exit 7'; exit $LASTEXITCODE")
    assert "rc=7" in result.stdout, short(result)


def raw_brings_back_much_output(to):
    result = ran(to, "ansible.builtin.raw", "1..5000 | ForEach-Object { \"line $_\" }")
    same(lines(result), [f"line {number}" for number in range(1, 5001)])


def raw_has_a_ticket_of_the_user(to):
    result = ran(to, "ansible.builtin.raw", "sh -c 'klist -s'; exit $LASTEXITCODE")
    assert " | CHANGED | rc=0 >>" in result.stdout, short(result)


def wrong_password_is_a_host_that_cannot_be_reached(to):
    result = ran(to, "ansible.builtin.raw", "1", ansible_password="wrong")
    assert "UNREACHABLE" in result.stdout, short(result)


def script(to):
    with tempfile.NamedTemporaryFile("w", suffix=".ps1") as file:
        file.write("'from a file'\n")
        file.flush()
        return ran(to, "ansible.builtin.script", file.name)


def script_is_refused_by_what_is_no_powershell(to):
    result = script(to)
    assert result.returncode != 0, short(result)
    assert "FAILED" in result.stdout or "UNREACHABLE" in result.stdout, short(result)
    assert "CHANGED" not in result.stdout, short(result)


def script_runs(to):
    result = script(to)
    assert result.returncode == 0 and "from a file" in result.stdout, short(result)


CHECKS = [
    raw_brings_back_what_a_script_wrote, raw_reports_an_error_as_a_failed_task, raw_has_the_exit_code_of_a_program,
    raw_brings_back_much_output, raw_has_a_ticket_of_the_user, wrong_password_is_a_host_that_cannot_be_reached, script_is_refused_by_what_is_no_powershell,
    script_runs,
]

if __name__ == "__main__":
    importlib.metadata.version("ansible-core")
    sys.exit(peer.run("ansible-core", ["ntlm", "negotiate", "kerberos", "credssp"], CHECKS))
