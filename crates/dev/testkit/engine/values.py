"""Values and operators of the stand-in engine: what a pipeline, a string, a cast and a comparison make of them."""

import operator
import re

from psrpcore import types as ps

import members
from clixml import Thing, custom
from records import Failure, divided_by_zero

# Says that records wait to be taken into the output, and is no value itself.
PULSE = object()


def real(values):
    """The values, without pulses."""
    return (value for value in values if value is not PULSE)


def items_of(value):
    """What a pipeline makes of a value: the items of a list, else the value itself."""
    if isinstance(value, Thing) and value.items is not None and value.holds != "DCT":
        yield from value.items
    elif isinstance(value, (list, tuple, range)) and not isinstance(value, str):
        yield from value
    else:
        yield value


def single(values):
    values = list(real(values))
    return values[0] if len(values) == 1 else (values or None)


def text_of(value):
    """A value inside a string."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
    if isinstance(value, (ps.PSSecureString,)):
        return "System.Security.SecureString"
    if isinstance(value, (bytes, bytearray, list, tuple, range, ps.PSListBase)):
        return " ".join(text_of(item) for item in value)
    if isinstance(value, (dict, ps.PSDictBase)):
        return "System.Collections.Hashtable"
    if isinstance(value, Thing):
        if value.text is not None:
            return value.text
        if value.items is not None:
            return " ".join(text_of(item) for item in value.items)
        return "@{" + "; ".join(f"{name}={text_of(inner)}" for name, inner in value.notes.items()) + "}"
    if type(value).__name__ in ("PSCustomObject", "PSObject"):
        properties = value.PSObject.extended_properties
        return "@{" + "; ".join(f"{one.name}={text_of(one.get_value(value))}" for one in properties) + "}"
    return str(value)


def is_true(value):
    if isinstance(value, list):
        return len(value) > 1 or (len(value) == 1 and is_true(value[0]))
    return value is not None and value is not False and value != 0 and value != ""


def compared(sign, left, right):
    """How a comparison of two values went; `match` gives what was found."""
    is_exact = sign.startswith("c") and sign != "contains"
    sign = sign[1:] if sign[:1] in "ci" and sign[1:] in ("eq", "ne", "lt", "le", "gt", "ge", "like", "match", "notlike", "notmatch") else sign
    if sign.endswith(("like", "match")):
        like = "".join({"*": ".*", "?": "."}.get(one, re.escape(one)) for one in text_of(right))
        flags = re.S | (0 if is_exact else re.I)
        found = re.fullmatch(like, text_of(left), flags) if sign.endswith("like") else re.search(text_of(right), text_of(left), flags)
        if sign.startswith("not"):
            return found is None
        return found if sign == "match" and found is not None else found is not None
    if isinstance(left, bool):
        right = is_true(right)
    elif isinstance(left, (int, float)) and isinstance(right, str):
        right = number_of(right)
    elif isinstance(left, str) or isinstance(right, str) and left is not None:
        left, right = text_of(left), text_of(right)
        left, right = (left, right) if is_exact else (left.lower(), right.lower())
    elif sign not in ("eq", "ne"):
        left, right = (0 if left is None else left), (0 if right is None else right)
    return getattr(operator, sign)(left, right)


def number_of(text):
    try:
        return float(text) if re.search("[.eE]", text) else int(text)
    except ValueError:
        return text


def cast(kind, value):
    kind = kind.rpartition(".")[2] if kind.startswith("system.") else kind
    numbers = {"int": int, "int32": int, "long": ps.PSInt64, "int64": ps.PSInt64, "byte": ps.PSByte, "double": float,
               "decimal": ps.PSDecimal, "uint32": ps.PSUInt}
    if kind == "pscustomobject":
        return Thing(custom().type_names, notes=value or {})
    if kind in numbers:
        return number(kind, numbers[kind], value)
    simple = {
        "string": text_of, "bool": is_true, "version": ps.PSVersion, "ordered": dict, "hashtable": dict, "object": lambda one: one,
        "psobject": lambda one: one, "void": lambda _: members.VOID, "datetime": members.moment, "guid": members.guid,
        "char": members.char, "uri": ps.PSUri, "scriptblock": ps.PSScriptBlock, "switch": is_true, "xml": ps.PSXml,
        "management.automation.host.choicedescription": lambda one: one, "array": lambda one: list(items_of(one)),
        "choicedescription": lambda one: one, "fielddescription": lambda one: one, "collection": lambda one: one,
        "regex": text_of,
    }
    if kind in simple:
        return simple[kind](value)
    if kind.endswith("[]"):
        of = kind[:-2]
        return [cast(of, one) for one in (value if isinstance(value, list) else list(items_of(value)))]
    raise Failure(f"Unable to find type [{kind}].", None, "TypeNotFound", "InvalidOperation", kind)


def number(kind, make, value):
    value = 0 if value is None or value == "" else value
    try:
        whole = float(text_of(value)) if isinstance(value, (str, float)) else value
        return make(whole if make is float else round(whole))
    except (TypeError, ValueError):
        full = {"int": "Int32", "long": "Int64", "byte": "Byte", "double": "Double"}.get(kind, kind.capitalize())
        raise Failure(
            f'Cannot convert value "{text_of(value)}" to type "System.{full}". Error: "The input string '
            f"'{text_of(value)}' was not in a correct format.\"", None, "InvalidCastFromStringToInteger", "InvalidArgument",
        ) from None


def index(value, place):
    if value is None:
        raise Failure("Cannot index into a null array.", None, "NullArray", "InvalidOperation")
    if isinstance(value, Thing) and value.holds == "DCT":
        value = value.items
    if isinstance(value, (dict, ps.PSDictBase)):
        return next((inner for key, inner in value.items() if str(key).lower() == str(place).lower()), None)
    values = list(value) if isinstance(value, str) else list(items_of(value))
    if isinstance(place, (list, range)):
        return [values[int(one)] for one in place if -len(values) <= int(one) < len(values)]
    try:
        return values[int(place)]
    except (IndexError, ValueError):
        return None


def binary(runner, sign, left, right):
    if sign in ("-and", "-or"):
        if sign == "-and":
            return is_true(left) and is_true(runner.value(right))
        return is_true(left) or is_true(runner.value(right))
    if sign == "..":
        first, last = int(left), int(right)
        return range(first, last + 1) if first <= last else range(first, last - 1, -1)
    if sign in ("-is", "-isnot"):
        is_it = members.type_name(left).lower().rpartition(".")[2] == right.name.lower().rpartition(".")[2] or members.is_a(left, right.name)
        return is_it == (sign == "-is")
    if sign in ("-join", "-split", "-replace", "-f"):
        return text_operator(sign, left, right)
    if sign in ("-contains", "-notcontains", "-in", "-notin"):
        many, one = (left, right) if "contains" in sign else (right, left)
        return any(compared("eq", item, one) for item in items_of(many)) == ("not" not in sign)
    if sign.startswith("-") and len(sign) > 1:
        if isinstance(left, (list, range)):
            return [item for item in left if compared(sign[1:], item, right)]
        found = compared(sign[1:], left, right)
        if sign.endswith("match") and not isinstance(found, bool):
            runner.assign("matches", dict(enumerate(found.groups())) | {0: found[0]} | found.groupdict())
        return is_true(found) if isinstance(found, bool) else found is not None
    return arithmetic(sign, left, right)


def text_operator(sign, left, right):
    if sign == "-join":
        return text_of(right).join(text_of(item) for item in items_of(left))
    if sign == "-split":
        return [part for item in items_of(left) for part in re.split(text_of(right), text_of(item), flags=re.I)]
    if sign == "-f":
        return members.formatted(text_of(left), list(items_of(right)))
    pattern, new = [*items_of(right), ""][:2]
    new = re.sub(r"\$(\d)", r"\\\1", text_of(new))
    found = [re.sub(text_of(pattern), new, text_of(item), flags=re.I) for item in items_of(left)]
    return found if isinstance(left, list) else found[0]


def arithmetic(sign, left, right):
    if sign == "+" and isinstance(left, str):
        return str(left) + text_of(right)
    if sign == "+" and isinstance(left, (list, range)):
        return [*left, *items_of(right)]
    if sign == "+" and isinstance(left, dict) and isinstance(right, dict):
        return left | right
    if sign == "*" and isinstance(left, list):
        return left * int(right)
    if sign == "*" and isinstance(left, str):
        return str(left) * int(right)
    left = 0 if left is None else left
    right = 0 if right is None else right
    left, right = (number_of(one) if isinstance(one, str) else one for one in (left, right))
    if isinstance(right, str) or isinstance(left, str):
        raise no_number(right if isinstance(right, str) else left)
    if hasattr(left, "year") and sign == "-":
        return members.span(left, right)
    if sign in "/%" and right == 0:
        raise divided_by_zero()
    if sign == "/":
        whole = left / right
        return int(whole) if isinstance(left, int) and isinstance(right, int) and left % right == 0 else whole
    operators = {"+": operator.add, "-": operator.sub, "*": operator.mul, "%": operator.mod}
    return operators[sign](left, right)


def no_number(text):
    return Failure(
        f'Cannot convert value "{text}" to type "System.Int32". Error: "The input string \'{text}\' was not in a '
        'correct format."', None, "InvalidCastFromStringToInteger", "InvalidArgument",
    )
