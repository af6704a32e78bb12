"""pypsrp's raw WSMan reads and writes the configuration of a service: the whole tree, its nodes, and parts of them.

`hammer` writes MaxBatchItems again and again, says each number that was acknowledged, and ends with the service.
`concurrent_changes` writes 100 different values at once; each lands or is refused.
"""

import concurrent.futures
import sys

sys.dont_write_bytecode = True

from pypsrp.exceptions import WSManFaultError  # noqa: E402

import peer  # noqa: E402
from peer import same  # noqa: E402
from pypsrp_winrs import connection  # noqa: E402

BASE = "http://schemas.microsoft.com/wbem/wsman/1/config"

# Node, its element, setting, and another value than it has by default. The last one of each login keeps pypsrp able to
# go on: it logs in once.
SETTINGS = [
    ("", "Config", "MaxEnvelopeSizekb", "600"),
    ("", "Config", "MaxTimeoutms", "61000"),
    ("", "Config", "MaxBatchItems", "100"),
    ("/service", "Service", "RootSDDL", "O:NSG:BAD:P(A;;GA;;;BA)(A;;GR;;;RM)"),
    ("/service", "Service", "MaxConcurrentOperationsPerUser", "1000"),
    ("/service", "Service", "EnumerationTimeoutms", "60000"),
    ("/service", "Service", "MaxConnections", "200"),
    ("/service", "Service", "MaxPacketRetrievalTimeSeconds", "60"),
    ("/service", "Service", "AllowUnencrypted", "true"),
    ("/service/auth", "Auth", "Basic", "true"),
    ("/service/auth", "Auth", "Kerberos", "false"),
    ("/service/auth", "Auth", "Negotiate", "false"),
    ("/service/auth", "Auth", "Certificate", "true"),
    ("/service/auth", "Auth", "CredSSP", "true"),
    ("/service/auth", "Auth", "CbtHardeningLevel", "Strict"),
    ("/winrs", "Winrs", "AllowRemoteShellAccess", "false"),
    ("/winrs", "Winrs", "IdleTimeout", "70000"),
    ("/winrs", "Winrs", "MaxConcurrentUsers", "10"),
    ("/winrs", "Winrs", "MaxProcessesPerShell", "15"),
    ("/winrs", "Winrs", "MaxMemoryPerShellMB", "150"),
    ("/winrs", "Winrs", "MaxShellsPerUser", "5"),
]

# Those that Windows refuses, and those that belong to others than the service.
REFUSED = [
    ("", "Config", "MaxProviderRequests", "25", 0x803381AE),
    ("/service", "Service", "MaxConcurrentOperations", "100", 0x803381AE),
    ("/winrs", "Winrs", "MaxShellRunTime", "28800000", 0x803381AE),
    ("/service/defaultports", "DefaultPorts", "HTTP", "80", 0x80338013),
    ("/client", "Client", "TrustedHosts", "*", 0x8033813F),
    ("/winrs", "Winrs", "MaxMemoryPerShellMB", "-1", 0x80338041),
    ("/winrs", "Winrs", "MaxShellsPerUser", "many", 0x80338041),
    ("", "Config", "MaxTimeoutms", "100", 0x8033800C),
]


def namespace(node):
    return "{" + BASE + node + "}"


def element_of(response, node, name):
    element = response.find(namespace(node) + name)
    return response if element is None else element


def get(wsman, node, name):
    return element_of(wsman.get(BASE + node), node, name)


def put(wsman, node, name, setting, value):
    """As winrm does it: the node is read, one value in it is another one, and the node is written."""
    element = get(wsman, node, name)
    element.find(namespace(node) + setting).text = value
    answer = element_of(wsman.put(BASE + node, element), node, name)
    return answer.find(namespace(node) + setting).text


def every_setting(to):
    """Each setting takes another value and its own again, and the tree shows both."""
    with connection(to) as wsman:
        for node, name, setting, value in SETTINGS:
            before = get(wsman, node, name).find(namespace(node) + setting).text
            assert before != value, setting
            same(put(wsman, node, name, setting, value), value)
            tree = get(wsman, "", "Config")
            found = [leaf.text for leaf in tree.iter(namespace("") + setting)]
            assert value in found, (setting, found)
            same(put(wsman, node, name, setting, before), before)


def what_is_refused(to):
    """Each with the code that Windows has for it, and nothing has changed."""
    with connection(to) as wsman:
        for node, name, setting, value, code in REFUSED:
            before = get(wsman, node, name).find(namespace(node) + setting).text
            try:
                put(wsman, node, name, setting, value)
            except WSManFaultError as fault:
                same(fault.code, code)
            else:
                raise AssertionError(f"{setting} was changed")
            same(get(wsman, node, name).find(namespace(node) + setting).text, before)


def restore(to):
    """All changes are taken back by the method of the tree."""
    with connection(to) as wsman:
        put(wsman, "/winrs", "Winrs", "MaxShellsPerUser", "7")
        wsman.invoke(BASE + "/Restore", BASE, None)
        limit = get(wsman, "/winrs", "Winrs").find(namespace("/winrs") + "MaxShellsPerUser")
        same(limit.text, "2147483647")


def hammer(to):
    """Ends with the service."""
    number = 0
    with connection(to) as wsman:
        while True:
            number += 1
            try:
                put(wsman, "", "Config", "MaxBatchItems", str(number))
            except Exception:  # noqa: BLE001 - the service is gone, however that is told
                print("LAST", number, flush=True)
                return
            print("KEPT", number, flush=True)


def concurrent_changes(to):
    """One hundred at once, ten connections: each lands or is refused, and one of those that landed is what is there."""

    def change(number):
        with connection(to) as wsman:
            return put(wsman, "/winrs", "Winrs", "MaxShellsPerUser", str(number))

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        landed = list(pool.map(change, range(1, 101)))
    same(landed, [str(number) for number in range(1, 101)])
    with connection(to) as wsman:
        now = get(wsman, "/winrs", "Winrs").find(namespace("/winrs") + "MaxShellsPerUser").text
        assert now in landed, now


if __name__ == "__main__":
    sys.exit(
        peer.run(
            "pypsrp",
            ["ntlm"],
            [every_setting, what_is_refused, restore, concurrent_changes, hammer],
        )
    )
