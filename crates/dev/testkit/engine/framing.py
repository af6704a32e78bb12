"""The lines of an out-of-process engine: what PowerShell 7 takes for a packet, and what ends it."""

import base64
import binascii
import re
import uuid
from xml.sax.saxutils import unescape

UNKNOWN = 'An unknown element "{}" was received. This can happen if the remote process closed or ended abnormally.'
NODE = 'Cannot process an element with node type "{}". Only Element and EndElement node types are supported.'
ONE = 'Expected only one attribute with the name "PSGuid" in the {} element.'
TWO = 'Expected only two attributes with the names "Stream" and "PSGuid" in the Data element.'
BASE64 = (
    "The input is not a valid Base-64 string as it contains a non-base 64 character, more than two padding characters, "
    "or an illegal character among the padding characters."
)
ELEMENT = re.compile(r"<([A-Za-z]\w*)((?:\s+[\w:]+\s*=\s*(?:'[^'<]*'|\"[^\"<]*\"))*)\s*(?:(/>)|>([^<]*)</\1\s*>)")
ATTRIBUTE = re.compile(r"([\w:]+)\s*=\s*(?:'([^']*)'|\"([^\"]*)\")")
GUID = re.compile(r"\{?[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?")


class Fatal(Exception):
    """The engine says this and ends."""


def packets(line):
    """Triples of a verb, a target and data, of one line."""
    line = line[1:] if line.startswith("\ufeff") else line
    if not line:
        raise Fatal(UNKNOWN.format(""))
    if "\0" in line:
        raise Fatal(f"'.', hexadecimal value 0x00, is an invalid character. Line 1, position {line.index(chr(0)) + 1}.")
    at = 0
    while at < len(line):
        found = ELEMENT.match(line, at)
        if not found:
            raise Fatal(refusal(line, at))
        yield packet(found)
        at = found.end()


def refusal(line, at):
    rest = line[at:]
    if rest.startswith("<?xml"):
        return NODE.format("XmlDeclaration")
    if rest[0].isspace():
        return NODE.format("Whitespace")
    if rest.startswith("<"):
        return f"Unexpected end of file while parsing Name has occurred. Line 1, position {len(line) + 1}."
    return line


def packet(found):
    verb = found[1]
    attributes = {name: unescape(one or two, {"&apos;": "'", "&quot;": '"'}) for name, one, two in ATTRIBUTE.findall(found[2])}
    if verb not in ("Data", "Command", "Signal", "Close"):
        raise Fatal(UNKNOWN.format(verb))
    wanted = {"Data": {"Stream", "PSGuid"}}.get(verb, {"PSGuid"})
    if set(attributes) != wanted:
        raise Fatal(TWO if verb == "Data" else ONE.format(verb))
    if not GUID.fullmatch(attributes["PSGuid"]):
        raise Fatal("Unrecognized Guid format.")
    target = uuid.UUID(attributes["PSGuid"])
    if verb != "Data":
        return verb, target, b""
    if not found[4]:
        node = "EndElement" if found[3] is None else "None"
        raise Fatal(f'Node type "{node}" is unknown in the Data element. Only the "Text" node type is expected in the Data element.')
    text = re.sub(r"\s", "", re.sub(r"&#(?:10|xA|xa|13|xD|xd);", "", found[4]))
    try:
        return verb, target, base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Fatal(BASE64) from None
