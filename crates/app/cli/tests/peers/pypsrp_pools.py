"""pypsrp's `RunspacePool` and `PowerShell` against a service: NTLM, over http sealed, over https inside TLS."""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit
from xml.etree import ElementTree

sys.dont_write_bytecode = True

from pypsrp.client import Client  # noqa: E402
from pypsrp.complex_objects import ObjectMeta  # noqa: E402
from pypsrp.exceptions import WSManFaultError  # noqa: E402
from pypsrp.host import PSHost, PSHostUserInterface  # noqa: E402
from pypsrp.powershell import PowerShell, PSInvocationState, RunspacePool, RunspacePoolState  # noqa: E402
from pypsrp.wsman import NAMESPACES, SelectorSet, WSMan  # noqa: E402

import peer  # noqa: E402
from peer import same  # noqa: E402


def options(to):
    url = urlsplit(to.endpoint)
    ssl = url.scheme == "https"
    return {
        "port": url.port,
        "path": url.path.strip("/"),
        "username": to.user,
        "password": to.password,
        "ssl": ssl,
        "cert_validation": False,
        "auth": to.auth,
        "encryption": "auto" if ssl else "always",
        "no_proxy": True,
    }


def connection(to):
    return WSMan(urlsplit(to.endpoint).hostname, **options(to))


@contextlib.contextmanager
def pool(to, **wanted):
    """An open pool, closed at the end."""
    with connection(to) as wsman, RunspacePool(wsman, **wanted) as opened:
        yield opened


def run(opened, script, given=None):
    """Runs a script to its end."""
    shell = PowerShell(opened)
    shell.add_script(script)
    return shell, shell.invoke(given)


def client_execute_ps(to):
    """`Client.execute_ps`, which opens and closes a pool for one script."""
    with Client(urlsplit(to.endpoint).hostname, **options(to)) as client:
        output, streams, had_errors = client.execute_ps("'one'; Write-Warning 'careful'")
        same((output.strip(), had_errors, [str(w.message) for w in streams.warning]), ("one", False, ["careful"]))


def all_streams(to):
    """Records of each stream arrive on their own."""
    script = (
        "Write-Verbose v -Verbose; Write-Warning w; Write-Debug d -Debug; Write-Information i; "
        "Write-Progress -Activity p -Status s -PercentComplete 5; Write-Error e; 'o'"
    )
    with pool(to) as opened:
        shell, output = run(opened, script)
        streams = shell.streams
        same(output, ["o"])
        same([str(error) for error in streams.error], ["e"])
        told = [[record.message for record in stream] for stream in (streams.warning, streams.verbose, streams.debug)]
        same(told, [["w"], ["v"], ["d"]])
        same([str(record.message_data) for record in streams.information], ["i"])
        same([record.activity for record in streams.progress], ["p"])
        same(shell.state, PSInvocationState.COMPLETED)


def terminating_error(to):
    """A script that throws fails, with the error and its id."""
    with pool(to) as opened:
        shell, _ = run(opened, "throw 'boom'")
        same((shell.state, str(shell.streams.error[0])), (PSInvocationState.FAILED, "boom"))
        shell, _ = run(opened, "Get-Nothing-Of-The-Kind")
        assert "CommandNotFoundException" in shell.streams.error[0].fq_error, shell.streams.error[0].fq_error


def pipeline_input(to):
    """Objects of several types go in and come out."""
    with pool(to) as opened:
        _, output = run(opened, "$input", [1, "zwei ß 😀", 3.5, True, uuid.UUID(int=7)])
        same(output, [1, "zwei ß 😀", 3.5, True, uuid.UUID(int=7)])
        _, output = run(opened, "$input", ["x" * 200_000] * 5)
        same([len(text) for text in output], [200_000] * 5)


def several_commands(to):
    """One command after another in a pool, and a variable that stays."""
    with pool(to) as opened:
        run(opened, "$global:kept = 5")
        same(run(opened, "$kept")[1], [5])
        for number in range(30):
            same(run(opened, f"{number}")[1], [number])


def pipelines_at_once(to):
    """As many pipelines run at once as there are runspaces; one more waits."""
    with pool(to, max_runspaces=3) as opened:
        shells = [PowerShell(opened) for _ in range(4)]
        for number, shell in enumerate(shells):
            shell.add_script(f"Start-Sleep -Milliseconds 300; {number}").begin_invoke()
        same([shell.end_invoke() for shell in shells], [[0], [1], [2], [3]])


def runspaces(to):
    """The numbers of runspaces change while the pool is open."""
    with pool(to, min_runspaces=1, max_runspaces=2) as opened:
        opened.max_runspaces = 5
        opened.min_runspaces = 2
        same((opened.get_available_runspaces(), opened.max_runspaces, opened.min_runspaces), (5, 5, 2))


def reset(to):
    """A reset forgets the variables."""
    with pool(to) as opened:
        run(opened, "$global:kept = 5")
        opened.reset_runspace_state()
        same(run(opened, "'<' + $kept + '>'")[1], ["<>"])


def stop(to):
    """A running pipeline is stopped, long before it would end."""
    with pool(to) as opened:
        shell = PowerShell(opened)
        shell.add_script("'before'; Start-Sleep -Seconds 60; 'after'").begin_invoke()
        shell.poll_invoke(timeout=5)
        shell.stop()
        same((shell.state, shell.output), (PSInvocationState.STOPPED, ["before"]))
        same(run(opened, "'next'")[1], ["next"])


def secure_strings(to):
    """SecureStrings cross in both directions, with a key of the session."""
    with pool(to) as opened:
        opened.exchange_keys()
        secret = opened.serialize("geheim ß", ObjectMeta("SS"))
        shell = PowerShell(opened)
        shell.add_script("param($s) [System.Net.NetworkCredential]::new('', $s).Password; $s").add_argument(secret)
        output = shell.invoke()
        same(output, ["geheim ß", "geheim ß"])


class Interface(PSHostUserInterface):
    """Answers what the host is asked, and keeps what it is told."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def ReadLine(self, runspace, pipeline):
        self.asked.append("ReadLine")
        return "typed"

    def Prompt(self, runspace, pipeline, caption, message, descriptions):
        self.asked.append("Prompt")
        return {"name": "prompted"}

    def PromptForChoice(self, runspace, pipeline, caption, message, choices, default_choice):
        self.asked.append(f"PromptForChoice {len(choices)}")
        return 1


def host_calls(to):
    """The script asks the client's host, and gets its answers."""
    interface = Interface()
    with connection(to) as wsman, RunspacePool(wsman, host=PSHost(None, None, False, "test", None, interface, "1.0")) as opened:
        _, output = run(opened, "'<' + $Host.UI.ReadLine() + '>'; Write-Host 'shown'")
        same((output, interface.asked), (["<typed>"], ["ReadLine"]))
        assert "shown" in "".join(interface.stdout), interface.stdout


def large_output(to):
    """50 MB of strings arrive whole."""
    with pool(to) as opened:
        _, output = run(opened, "Get-Large 50")
        same(sum(len(text) for text in output), 50 * 1024 * 1024)


def disconnect_and_reconnect(to):
    """The same client leaves the pool while a pipeline runs, comes back, and misses nothing."""
    with pool(to) as opened:
        shell = PowerShell(opened)
        shell.add_script("1; Start-Sleep -Milliseconds 600; 2").begin_invoke()
        opened.disconnect()
        same(opened.state, RunspacePoolState.DISCONNECTED)
        opened.connect()
        same(opened.state, RunspacePoolState.OPENED)
        same(run(opened, "'after'")[1], ["after"])


def connect_from_another_process(to):
    """A second process finds the pool, takes it over, and gets what the pipeline wrote meanwhile."""
    with connection(to) as wsman:
        opened = RunspacePool(wsman)
        opened.open()
        shell = PowerShell(opened)
        shell.add_script("'first'; Start-Sleep -Milliseconds 600; 'second'").begin_invoke()
        opened.disconnect()
        command = [sys.executable, "-B", __file__, to.endpoint, to.user, to.auth, "--take-over", opened.id]
        taken = subprocess.run(command, capture_output=True, text=True, timeout=60)
        same((taken.returncode, taken.stdout.split()), (0, ["first", "second", "third"])), taken.stderr


def take_over(to, pool_id):
    """The second process of the check above."""
    with connection(to) as wsman:
        [found] = [one for one in RunspacePool.get_runspace_pools(wsman) if one.id == pool_id]
        same(found.state, RunspacePoolState.DISCONNECTED)
        [shell] = found.create_disconnected_power_shells()
        found.connect()
        print(*shell.connect())
        print(*run(found, "'third'")[1])
        found.close()


def found_pool(wsman, opened):
    [found] = [one for one in RunspacePool.get_runspace_pools(wsman) if one.id == opened.id]
    return found


def pool_is_taken_over_by_one(to):
    """While a client has the pool nobody else gets it; of several that want a pool that was left, one does."""
    with connection(to) as wsman:
        opened = RunspacePool(wsman)
        opened.open()
        with connection(to) as other:
            refused(found_pool(other, opened).connect)
        same(opened.get_available_runspaces(), 1)
        PowerShell(opened).add_script("1; Start-Sleep -Milliseconds 300; 2").begin_invoke()
        opened.disconnect()

        ready = threading.Barrier(4)

        def take(_):
            with connection(to) as another:
                found = found_pool(another, opened)
                shells = found.create_disconnected_power_shells()
                # One that has the pool may have closed it before another has found it.
                ready.wait(60)
                try:
                    found.connect()
                except WSManFaultError:
                    return "refused"
                told = [list(shell.connect()) for shell in shells] + [run(found, "'mine'")[1]]
                found.close()
                return told

        with ThreadPoolExecutor(4) as takers:
            outcomes = list(takers.map(take, range(4)))
        same(sorted(map(str, outcomes)), ["[[1, 2], ['mine']]"] + ["refused"] * 3)


def refused(what):
    try:
        what()
    except WSManFaultError:
        return
    raise AssertionError("was not refused")


def left_while_much_is_written(to, mode):
    """A pipeline writes more than the service keeps. What its first client got, whether it ended meanwhile, and what
    the next client gets."""
    with tempfile.TemporaryDirectory(prefix="transom-left-") as folder, connection(to) as wsman:
        os.chmod(folder, 0o777)
        ended = os.path.join(folder, "ended")
        opened = RunspacePool(wsman)
        opened.open()
        shell = PowerShell(opened)
        script = f"1..60 | ForEach-Object {{ \"$_ \" + 'x' * 100000 }}; 'end' > '{ended}'; 'end'"
        shell.add_script(script).begin_invoke()
        shell.poll_invoke(timeout=5)
        disconnect = ElementTree.Element("{%s}Disconnect" % NAMESPACES["rsp"])
        ElementTree.SubElement(disconnect, "{%s}BufferMode" % NAMESPACES["rsp"]).text = mode
        selectors = SelectorSet()
        selectors.add_option("ShellId", opened.shell.id)
        wsman.disconnect(opened.shell.resource_uri, disconnect, selector_set=selectors)
        until = time.monotonic() + (60 if mode == "Drop" else 1)
        while not os.path.exists(ended) and time.monotonic() < until:
            time.sleep(0.02)
        has_ended = os.path.exists(ended)
        with connection(to) as other:
            found = found_pool(other, opened)
            [again] = found.create_disconnected_power_shells()
            found.connect()
            rest = again.connect()
            found.close()
        return [text.split()[0] for text in shell.output], has_ended, [text.split()[0] for text in rest]


def block_holds_the_pipeline_back_and_loses_nothing(to):
    before, has_ended, rest = left_while_much_is_written(to, "Block")
    same((before + rest, has_ended), ([str(number) for number in range(1, 61)] + ["end"], False))


def drop_lets_the_pipeline_end_and_keeps_the_newest(to):
    before, has_ended, rest = left_while_much_is_written(to, "Drop")
    kept = len(rest) - 1
    whole = [str(number) for number in range(1, 61)]
    same((has_ended, before, rest), (True, whole[:len(before)], whole[-kept:] + ["end"]))
    assert len(before) + kept < len(whole), "nothing had to give way"


def closed_pool_is_gone(to):
    """After Delete the pool's id names nothing."""
    with connection(to) as wsman:
        opened = RunspacePool(wsman)
        opened.open()
        opened.close()
        time.sleep(0.1)
        same([one.id for one in RunspacePool.get_runspace_pools(wsman) if one.id == opened.id], [])


def unknown_configuration(to):
    """A configuration that is not there is refused by name."""
    with connection(to) as wsman:
        try:
            RunspacePool(wsman, configuration_name="Microsoft.Nothing").open()
        except WSManFaultError as fault:
            assert "Microsoft.Nothing session configuration" in fault.reason, fault.reason
        else:
            raise AssertionError("an unknown configuration was opened")


if __name__ == "__main__":
    if "--take-over" in sys.argv:
        place = sys.argv.index("--take-over")
        take_over(peer.Peer(*sys.argv[1:4], os.environ["TRANSOM_TEST_PASSWORD"]), sys.argv[place + 1])
        sys.exit(0)
    sys.exit(
        peer.run(
            "pypsrp",
            ["ntlm", "negotiate"],
            [
                client_execute_ps,
                all_streams,
                terminating_error,
                pipeline_input,
                several_commands,
                pipelines_at_once,
                runspaces,
                reset,
                stop,
                secure_strings,
                host_calls,
                large_output,
                disconnect_and_reconnect,
                connect_from_another_process,
                pool_is_taken_over_by_one,
                block_holds_the_pipeline_back_and_loses_nothing,
                drop_lets_the_pipeline_end_and_keeps_the_newest,
                closed_pool_is_gone,
                unknown_configuration,
            ],
        )
    )
