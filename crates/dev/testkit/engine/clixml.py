"""How the stand-in engine writes CLIXML: in the dialect of PowerShell 7, not in that of psrpcore.

Reading is left to psrpcore, and so is what it wraps in its own types.
"""

import re
from xml.etree import ElementTree
from xml.sax.saxutils import escape as escape_markup

from psrpcore import types as ps

LIST_OF_STRINGS = (
    "System.Collections.Generic.List`1[[System.String, System.Private.CoreLib, Version=10.0.0.0, "
    "Culture=neutral, PublicKeyToken=7cec85d7bea7798e]]"
)
AUTOMATION_DICTIONARY = "System.Management.Automation.PSPrimitiveDictionary"


class Thing:
    """An object: the names of its type, its text, its properties, and what it holds."""

    def __init__(self, type_names=(), text=None, props=(), notes=(), base=None, items=None, holds="LST"):
        self.type_names = list(type_names)
        self.text = text
        self.props = dict(props)
        self.notes = dict(notes)
        self.base = base
        self.items = items
        self.holds = holds

    def get(self, name):
        for properties in (self.notes, self.props):
            for key, value in properties.items():
                if key.lower() == name.lower():
                    return value
        return None

    def names(self):
        return list(self.props) + list(self.notes)


def custom(**notes):
    """What `[pscustomobject]@{}` makes."""
    return Thing(["System.Management.Automation.PSCustomObject", "System.Object"], notes=notes)


def enumeration(type_name, text, number):
    return Thing([type_name, "System.Enum", "System.ValueType", "System.Object"], text, base=number)


def bag(**notes):
    return Thing(notes=notes)


def array_list(items):
    return Thing(["System.Collections.ArrayList", "System.Object"], items=list(items))


_ESCAPED = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]|_(?=[xX])|[\U00010000-\U0010ffff]")


def escape(text):
    def units(match):
        raw = match[0].encode("utf-16-be", "surrogatepass").hex().upper()
        return "".join(f"_x{raw[place:place + 4]}_" for place in range(0, len(raw), 4))

    return escape_markup(_ESCAPED.sub(units, text)) if text else ""


_PRIMITIVES = [
    (ps.PSChar, "C"), (ps.PSSByte, "SB"), (ps.PSInt16, "I16"), (ps.PSInt64, "I64"), (ps.PSByte, "By"),
    (ps.PSUInt16, "U16"), (ps.PSUInt64, "U64"), (ps.PSUInt, "U32"), (ps.PSInt, "I32"),
]
_TEXTS = [(ps.PSScriptBlock, "SBK"), (ps.PSUri, "URI"), (ps.PSXml, "XD"), (ps.PSString, "S")]


class Writer:
    """Writes one message."""

    def __init__(self, cipher):
        self.cipher = cipher
        self.out = []
        self.objects = 0
        self.type_names = {}

    def write(self, value, name=None):
        attribute = f' N="{escape(name).replace(chr(34), "&quot;")}"' if name is not None else ""
        if isinstance(value, Thing):
            self.thing(value, attribute)
        elif value is None:
            self.out.append(f"<Nil{attribute} />")
        elif isinstance(value, bool):
            self.out.append(f"<B{attribute}>{str(value).lower()}</B>")
        elif isinstance(value, int) and not isinstance(value, ps.PSEnumBase):
            tag = next((tag for kind, tag in _PRIMITIVES if isinstance(value, kind)), None)
            tag = tag or ("I32" if -(2**31) <= value < 2**31 else "I64")
            self.out.append(f"<{tag}{attribute}>{int(value)}</{tag}>")
        elif isinstance(value, float):
            tag = "Sg" if isinstance(value, ps.PSSingle) else "Db"
            text = str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
            self.out.append(f"<{tag}{attribute}>{text}</{tag}>")
        elif isinstance(value, str):
            tag = next((tag for kind, tag in _TEXTS if isinstance(value, kind)), "S")
            self.out.append(f"<{tag}{attribute}>{escape(str(value))}</{tag}>")
        elif isinstance(value, (dict, ps.PSDictBase)):
            types = ["System.Collections.Hashtable", "System.Object"]
            self.thing(Thing(types, items=value, holds="DCT"), attribute)
        elif isinstance(value, list) and not isinstance(value, ps.PSObject):
            types = ["System.Object[]", "System.Array", "System.Object"]
            self.thing(Thing(types, items=value), attribute)
        else:
            self.foreign(value, attribute)

    def foreign(self, value, attribute):
        """What psrpcore made, written by psrpcore, with numbers of its own."""
        element = ElementTree.tostring(ps.serialize(value, self.cipher), encoding="unicode")
        offset = (self.objects + len(self.type_names) + 1) * 1000
        self.objects += offset
        element = re.sub(r'RefId="(\d+)"', lambda found: f'RefId="{int(found[1]) + offset}"', element)
        self.out.append(re.sub(r"^<(\w+)", lambda found: f"<{found[1]}{attribute}", element))

    def thing(self, value, attribute):
        self.out.append(f'<Obj{attribute} RefId="{self.objects}">')
        self.objects += 1
        if value.type_names:
            first = value.type_names[0]
            if first in self.type_names:
                self.out.append(f'<TNRef RefId="{self.type_names[first]}" />')
            else:
                self.type_names[first] = len(self.type_names)
                names = "".join(f"<T>{escape(name)}</T>" for name in value.type_names)
                self.out.append(f'<TN RefId="{self.type_names[first]}">{names}</TN>')
        if value.text is not None:
            self.out.append(f"<ToString>{escape(value.text)}</ToString>")
        if value.items is not None:
            self.items(value)
        elif value.base is not None:
            self.write(value.base)
        for tag, properties in (("Props", value.props), ("MS", value.notes)):
            if properties or (tag == "MS" and not value.props and value.type_names[:1] == custom().type_names[:1]):
                self.out.append(f"<{tag}>")
                for name, inner in properties.items():
                    self.write(inner, name)
                self.out.append(f"</{tag}>")
        self.out.append("</Obj>")

    def items(self, value):
        self.out.append(f"<{value.holds}>")
        if value.holds == "DCT":
            for key, inner in value.items.items():
                self.out.append("<En>")
                self.write(key, "Key")
                self.write(inner, "Value")
                self.out.append("</En>")
        else:
            for inner in value.items:
                self.write(inner)
        self.out.append(f"</{value.holds}>")


def text(value, cipher):
    """The text of a message: null is no text at all."""
    if value is None:
        return b""
    writer = Writer(cipher)
    writer.write(value)
    return "".join(writer.out).encode("utf-8", "surrogatepass")
