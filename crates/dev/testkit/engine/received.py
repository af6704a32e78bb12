"""Objects that a client sent, as what they were before they travelled: input of a formatter."""

from psrpcore import types as ps

from clixml import Thing
from display import Formatted

COMPUTER, SHOWN = "PSComputerName", "PSShowComputerName"


def received(value):
    """An object with properties of its own as one that can be shown; everything else as it is."""
    if not isinstance(value, ps.PSObject) or isinstance(value, (str, int, float, list, dict, ps.PSDictBase, ps.PSListBase)):
        return value
    inner = value.PSObject
    found = {}
    for one in list(inner.adapted_properties) + list(inner.extended_properties):
        found[one.name] = one.get_value(value)
    if not found:
        return value
    # The form counts every property, the hidden ones as well.
    form = "table" if len(found) <= 4 else "list"
    hidden = {SHOWN} if found.get(SHOWN, True) else {SHOWN, COMPUTER}
    names = [name for name in found if name not in hidden]
    return Formatted(Thing(inner.type_names, notes=found), form, names)
