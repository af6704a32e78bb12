"""CLIXML read and written by the peers: the file with the text as argument.

Prints the rates in MB of text per second, a blank between them: psrpcore reads, psrpcore writes, pypsrp reads, pypsrp
writes. What was read is what is written.
"""

import sys
import time
from xml.etree import ElementTree

from psrpcore import types
from pypsrp.serializer import Serializer

# Each is repeated for so long, in seconds.
SPAN = 2.0

with open(sys.argv[1], encoding="utf-8") as file:
    text = file.read()


def rate(work):
    """The best of the repetitions: neighbours on the machine only ever slow it down."""
    best, until = float("inf"), time.perf_counter() + SPAN
    while time.perf_counter() < until:
        begun = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begun)
    return len(text.encode()) / best / 1e6


class NoSecrets:
    """psrpcore wants to know how SecureStrings are read; there are none."""


def psrpcore_read():
    return types.deserialize(ElementTree.fromstring(text), NoSecrets())


def pypsrp_read():
    return Serializer().deserialize(text)


core, own = psrpcore_read(), pypsrp_read()
print(
    rate(psrpcore_read),
    rate(lambda: ElementTree.tostring(types.serialize(core, NoSecrets()))),
    rate(pypsrp_read),
    rate(lambda: ElementTree.tostring(Serializer().serialize(own))),
)
