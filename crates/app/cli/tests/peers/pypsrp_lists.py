"""pypsrp's `WSMan` against the lists of a service: Enumerate in every mode, Pull, Release, filters, and named operations."""

import contextlib
import sys
import uuid
import xml.etree.ElementTree as ET

sys.dont_write_bytecode = True

from pypsrp.exceptions import WSManFaultError  # noqa: E402
from pypsrp.shell import WinRS  # noqa: E402
from pypsrp.wsman import NAMESPACES, SelectorSet, WSMan  # noqa: E402

import peer  # noqa: E402
from peer import same  # noqa: E402
from pypsrp_winrs import connection  # noqa: E402

SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
SERVICE = "http://schemas.microsoft.com/wbem/wsman/1/config/service"
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
RELEASE = ENUMERATION + "/Release"
N, W, S = ("{%s}" % NAMESPACES[prefix] for prefix in ("wsen", "wsman", "s"))
A, RSP, P = ("{%s}" % NAMESPACES[prefix] for prefix in ("wsa", "rsp", "wsmv"))
SELECTOR_FILTER = "http://schemas.dmtf.org/wbem/wsman/1/wsman/SelectorFilter"

INVALID_HEADER = 0x8033800F
DIALECT_UNAVAILABLE = 0x80338019
INVALID_CONTEXT = 0x8033801B
ENVELOPE_EXCEEDED = 0x80338048


class WithHeaders(WSMan):
    """A connection whose next messages have further headers."""

    extra = ()

    def _create_header(self, *args, **options):
        message_id, header = super()._create_header(*args, **options)
        header.extend(self.extra)
        return message_id, header


def logged_in(to):
    opened = connection(to)
    opened.__class__ = WithHeaders
    return opened


@contextlib.contextmanager
def three_shells(to):
    """A connection, and the ids of three shells that are there as long as it is."""
    with contextlib.ExitStack() as stack:
        opened = stack.enter_context(logged_in(to))
        shells = [stack.enter_context(WinRS(opened)) for _ in range(3)]
        yield opened, {shell.id.upper() for shell in shells}


def begin(*children):
    """The body of an Enumerate."""
    enumerate_ = ET.Element(N + "Enumerate")
    for name, text, attributes in children:
        ET.SubElement(enumerate_, name, attributes).text = text
    return enumerate_


OPTIMIZED = ((W + "OptimizeEnumeration", None, {}), (W + "MaxElements", "32000", {}))


def pull(context, **bounds):
    asked = ET.Element(N + "Pull")
    ET.SubElement(asked, N + "EnumerationContext").text = context
    for name, value in bounds.items():
        ET.SubElement(asked, N + name).text = str(value)
    return asked


def ids_of(items):
    return {item.find(RSP + "ShellId").text.upper() for item in items}


def selected(reference):
    (selector,) = reference.iter(W + "Selector")
    same(selector.get("Name"), "ShellId")
    return selector.text.upper()


def refused(code, do, *args, **options):
    try:
        do(*args, **options)
    except WSManFaultError as fault:
        same(fault.code, code)
    else:
        raise AssertionError(f"{code:#x} was expected")


def all_at_once(to):
    """An optimised Enumerate brings everything, and leaves nothing to ask for."""
    with three_shells(to) as (opened, ids):
        (answer,) = opened.enumerate(SHELL, begin(*OPTIMIZED))
        same(ids_of(answer.find(W + "Items")), ids)
        assert answer.find(W + "EndOfSequence") is not None
        assert not answer.find(N + "EnumerationContext").text


def one_by_one(to):
    """Without MaxElements each Pull brings one item, the last one says that it is."""
    with three_shells(to) as (opened, ids):
        (answer,) = opened.enumerate(SHELL, begin())
        context, seen, ends = answer.find(N + "EnumerationContext").text, [], 0
        assert answer.find(W + "Items") is None
        while not ends:
            (answer,) = opened.pull(SHELL, pull(context))
            items = list(answer.find(N + "Items"))
            same(len(items), 1)
            seen.extend(items)
            ends = len(answer.findall(N + "EndOfSequence"))
            same(answer.find(N + "EnumerationContext") is None, bool(ends))
        same((ids_of(seen), len(seen)), (ids, 3))
        refused(INVALID_CONTEXT, opened.pull, SHELL, pull(context))


def references_and_both(to):
    """EnumerateEPR brings references, EnumerateObjectAndEPR both, and each reference leads to its shell."""
    with three_shells(to) as (opened, ids):
        mode = lambda name: begin(*OPTIMIZED, (W + "EnumerationMode", name, {}))  # noqa: E731
        (answer,) = opened.enumerate(SHELL, mode("EnumerateEPR"))
        references = list(answer.find(W + "Items"))
        same({reference.tag for reference in references}, {A + "EndpointReference"})
        same({selected(reference) for reference in references}, ids)
        (answer,) = opened.enumerate(SHELL, mode("EnumerateObjectAndEPR"))
        for item in answer.find(W + "Items"):
            same(item.tag, W + "Item")
            object_, reference = item
            same(ids_of([object_]), {selected(reference)})
            selectors = SelectorSet()
            selectors.add_option("ShellId", selected(reference))
            (shell,) = opened.get(SHELL, selector_set=selectors)
            same(ids_of([shell]), ids_of([object_]))


def released(to):
    """What is released is gone."""
    with three_shells(to) as (opened, _):
        (answer,) = opened.enumerate(SHELL, begin())
        context = answer.find(N + "EnumerationContext").text
        release = ET.Element(N + "Release")
        ET.SubElement(release, N + "EnumerationContext").text = context
        answer = opened.invoke(RELEASE, SHELL, release)
        same(list(answer.find(S + "Body")), [])
        refused(INVALID_CONTEXT, opened.pull, SHELL, pull(context))


def filtered(to):
    """A filter by selectors brings what has these keys; another dialect is refused."""
    with three_shells(to) as (opened, ids):
        wanted = sorted(ids)[0]
        asked = begin(*OPTIMIZED, (W + "Filter", None, {"Dialect": SELECTOR_FILTER}))
        selectors = ET.SubElement(asked.find(W + "Filter"), W + "SelectorSet")
        ET.SubElement(selectors, W + "Selector", {"Name": "ShellId"}).text = wanted.lower()
        (answer,) = opened.enumerate(SHELL, asked)
        same(ids_of(answer.find(W + "Items")), {wanted})
        other = begin((W + "Filter", "select * from x", {"Dialect": "http://schemas.microsoft.com/wbem/wsman/1/WQL"}))
        refused(DIALECT_UNAVAILABLE, opened.enumerate, SHELL, other)


def bounded_and_counted(to):
    """MaxCharacters and MaxElements bound an answer, and the number of all is told where it is asked for."""
    with three_shells(to) as (opened, ids):
        opened.extra = [ET.Element(W + "RequestTotalItemsCountEstimate")]
        sent = opened.invoke(ENUMERATION + "/Enumerate", SHELL, begin())
        same(sent.find(f".//{W}TotalItemsCountEstimate").text, "3")
        opened.extra = []
        context = sent.find(f".//{N}EnumerationContext").text
        refused(ENVELOPE_EXCEEDED, opened.pull, SHELL, pull(context, MaxCharacters=100))
        (answer,) = opened.pull(SHELL, pull(context, MaxTime="PT10S", MaxElements=2))
        first = ids_of(answer.find(N + "Items"))
        same(len(first), 2)
        (answer,) = opened.pull(SHELL, pull(context, MaxElements=2, MaxCharacters=100000))
        same(first | ids_of(answer.find(N + "Items")), ids)


def named_operations(to):
    """The name of an operation comes back; what is asked again is answered again, and a name is used once."""
    name = f"uuid:{uuid.uuid4()}".upper().replace("UUID", "uuid")

    def header(marked):
        operation = ET.Element(P + "OperationID", {S + "mustUnderstand": marked})
        operation.text = name
        sequence = ET.Element(P + "SequenceId", {S + "mustUnderstand": "false"})
        sequence.text = "1"
        return [operation, sequence]

    with logged_in(to) as first, logged_in(to) as second:
        get = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get"
        first.extra = header("false")
        answer = first.invoke(get, SERVICE, None)
        same(answer.find(f".//{P}OperationID").text, name)
        same(answer.find(f".//{P}SequenceId").text, "1")
        second.extra = header("false")
        refused(INVALID_HEADER, second.invoke, get, SERVICE, None)


if __name__ == "__main__":
    checks = [
        all_at_once,
        one_by_one,
        references_and_both,
        released,
        filtered,
        bounded_and_counted,
        named_operations,
    ]
    sys.exit(peer.run("pypsrp", ("ntlm", "negotiate"), checks))
