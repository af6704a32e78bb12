"""The piece of the language that the stand-in engine reads: enough for the scripts of the tests.

A node is a tuple: its kind, where it begins and ends in the script, and what it holds. What is not in the piece
raises `Unknown`, which the engine answers as PowerShell answers the name of a command that nobody knows.
"""

import re

from records import incomplete

COMPARED = ["eq", "ne", "gt", "ge", "lt", "le", "like", "notlike", "match", "notmatch"]
COMPARISONS = [f"-{case}{name}" for name in COMPARED for case in ("", "c", "i")] + [
    "-is", "-isnot", "-join", "-split", "-replace", "-contains", "-notcontains", "-in", "-notin", "-f",
]
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "e": "\x1b", "a": "\a", "b": "\b"}
SIZES = {"": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}


class Unknown(Exception):
    """The script has something that the stand-in does not know."""


class Parser:
    def __init__(self, text):
        self.text = text
        self.at = 0

    # Small steps.

    def peek(self, what):
        return self.text.startswith(what, self.at)

    def take(self, what):
        if self.peek(what):
            self.at += len(what)
            return True
        return False

    def match(self, pattern):
        found = re.compile(pattern, re.I | re.S).match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def blanks(self, lines=False):
        self.match(r"(?:\s|`\n|<#.*?#>|#[^\n]*)*" if lines else r"(?:[ \t]|`\n|<#.*?#>|#[^\n]*)*")

    def is_over(self):
        return self.at >= len(self.text)

    def expect(self, what):
        self.blanks(lines=True)
        if self.take(what):
            return
        if self.is_over():
            if what == "}":
                raise incomplete("Missing closing '}' in statement block or type definition.", "MissingEndCurlyBrace")
            raise incomplete(f"Missing closing '{what}' in expression.", "MissingEndParenthesisInExpression")
        raise Unknown(what)

    # Statements.

    def script(self):
        """A whole script, or what stands between the braces of a script block."""
        parameters, blocks = [], {}
        self.blanks(lines=True)
        if self.match(r"\[CmdletBinding\([^)]*\)\]"):
            self.blanks(lines=True)
        if self.match(r"param\s*\("):
            parameters = self.parameters()
        while True:
            self.blanks(lines=True)
            found = self.match(r"(begin|process|end)\s*\{")
            if not found:
                break
            blocks[found[1].lower()] = self.block("}")
            self.expect("}")
        body = [] if blocks else self.block(None)
        return {"parameters": parameters, "blocks": blocks, "body": body, "text": self.text}

    def parameters(self):
        found = []
        while True:
            self.blanks(lines=True)
            if self.take(")"):
                return found
            from_pipeline, mandatory, kinds = False, False, []
            while attribute := self.match(r"\[((?:[^\[\]]|\[\])*)\]\s*"):
                from_pipeline |= "valuefrompipeline" in attribute[1].lower()
                mandatory |= "mandatory" in attribute[1].lower()
                kinds.append(attribute[1].lower())
            name = self.match(r"\$(\w+)")
            if not name:
                raise Unknown("param")
            self.blanks(lines=True)
            default = self.unary() if self.take("=") else None
            found.append((name[1], kinds, default, from_pipeline, mandatory))
            self.blanks(lines=True)
            self.take(",")

    def block(self, end):
        statements = []
        while True:
            self.match(r"(?:\s|;|<#.*?#>|#[^\n]*)*")
            if self.is_over() or (end and self.peek(end)):
                return statements
            if not end and (self.peek("}") or self.peek(")")):
                raise Unknown(self.text[self.at])
            statements.append(self.statement())
            self.blanks()
            if not (self.is_over() or self.match(r"[;\n\r]") or (end and self.peek(end)) or self.text[self.at - 1] == "}"):
                raise Unknown(self.text[self.at:])

    def braces(self):
        self.expect("{")
        inner = self.block("}")
        self.expect("}")
        return inner

    def condition(self, start):
        self.expect("(")
        self.blanks(lines=True)
        if self.is_over():
            message = f"Missing condition in if statement after '{self.text[start:self.at].strip()}'."
            raise incomplete(message, "IfStatementMissingCondition")
        inner = self.statement()
        self.expect(")")
        return inner

    def statement(self):
        start = self.at
        word = self.match(r"(if|while|foreach|for|do|switch|try|trap|throw|exit|return|function|filter|break|continue)\b(?![-.\\/])")
        node = self.keyword(word[1].lower(), start) if word else None
        if node is None:
            self.at = start
            node = self.assignment() or self.pipeline()
        node = (node[0], start, self.at) + node[1:]
        chain = [(None, node)]
        while node[0] in ("pipe", "chain") and (sign := self.match(r"[ \t]*(&&|\|\|)\s*")):
            begin = self.at
            after = self.assignment() or self.pipeline()
            chain.append((sign[1], (after[0], begin, self.at) + after[1:]))
        return node if len(chain) == 1 else ("chain", start, self.at, chain)

    def keyword(self, word, start):
        self.blanks()
        if word == "if":
            branches = [(self.condition(start), self.braces())]
            while self.match(r"\s*elseif\s*(?=\()"):
                branches.append((self.condition(start), self.braces()))
            return ("if", branches, self.braces() if self.match(r"\s*else\s*(?=\{)") else [])
        if word == "while":
            return ("while", self.condition(start), self.braces())
        if word == "for":
            return self.counted()
        if word == "do":
            body = self.braces()
            how = self.match(r"\s*(while|until)\s*")
            if not how:
                raise Unknown("do")
            return ("do", self.condition(start), how[1].lower(), body)
        if word == "switch":
            return self.cases(start)
        if word == "foreach":
            found = self.match(r"\(\s*\$(\w+)\s+in\s+")
            if not found:
                raise Unknown("foreach")
            over = self.statement()
            self.expect(")")
            return ("foreach", found[1], over, self.braces())
        if word == "try":
            body = self.braces()
            catch = self.braces() if self.match(r"\s*catch\s*(?=\{)") else None
            last = self.braces() if self.match(r"\s*finally\s*(?=\{)") else None
            return ("try", body, catch, last)
        if word in ("function", "filter"):
            name = self.match(r"(?:(?:global|script):)?([\w:-]+)\s*(\((?:[^()]|\([^()]*\))*\))?\s*\{")
            if not name:
                raise Unknown("function")
            begin = self.at
            self.skip_braces()
            text = self.text[begin:self.at - 1]
            text = f"process {{ {text} }}" if word == "filter" else text
            return ("function", name[1], f"param{name[2]} {text}" if name[2] else text)
        if word in ("break", "continue"):
            return (word,)
        if word in ("throw", "exit", "return"):
            is_bare = self.is_over() or self.text[self.at] in ";}\n"
            return (word, None if is_bare else self.pipeline())
        raise Unknown(word)

    def counted(self):
        self.expect("(")
        parts = []
        for end in ";;)":
            self.blanks(lines=True)
            parts.append(None if self.peek(end) else self.statement())
            self.expect(end)
        return ("for", *parts, self.braces())

    def cases(self, start):
        over = self.condition(start)
        self.expect("{")
        found = []
        while True:
            self.match(r"(?:\s|;|#[^\n]*)*")
            if self.take("}"):
                return ("switch", over, found)
            test = None if self.match(r"default(?=\s*\{)") else self.argument()
            found.append((test, self.braces()))

    def skip_braces(self):
        """Behind the brace that ends a block; the block is read when it runs."""
        inner = Parser(self.text)
        inner.at = self.at
        depth = 1
        while depth:
            if inner.is_over():
                inner.expect("}")
            if inner.text[inner.at] in "'\"":
                inner.quoted()
                continue
            depth += {"{": 1, "}": -1}.get(inner.text[inner.at], 0)
            inner.at += 1
        self.at = inner.at

    def assignment(self):
        start = self.at
        found = self.match(r"(?:\[[\w.\[\]]+\])?\s*\$((?:global:|env:|script:)?\w+)\s*(=|[-+*/%]=)(?!=)")
        if found:
            kind = re.match(r"\[([\w.\[\]]+?)\]\s*\$", found[0])
            self.blanks(lines=True)
            if not kind:
                return ("assign", found[1], found[2], self.statement())
            begin = self.at
            value = ("cast", kind[1].lower(), ("paren", [self.statement()]))
            return ("assign", found[1], found[2], ("pipe", begin, self.at, [("expr", begin, self.at, value, [])]))
        step = self.match(r"\$((?:global:|script:)?\w+)(\+\+|--)(?=\s*(?:[;})\n]|$))")
        if step:
            one = ("expr", start, self.at, ("literal", 1), [])
            return ("assign", step[1], step[2][0] + "=", ("pipe", start, self.at, [one]))
        member = self.match(r"\$((?:\w+\.)*\w+)\.(\w+)\s*=(?!=)")
        if member:
            self.blanks(lines=True)
            return ("set", member[1], member[2], self.statement())
        if re.match(r"\$\w+\[[^\]]*\]\s*=(?!=)", self.text[self.at:]):
            place = self.postfix()
            self.expect("=")
            self.blanks(lines=True)
            return ("put", place[1], place[2], self.statement())
        self.at = start
        return None

    def pipeline(self):
        elements = [self.element()]
        while True:
            self.blanks()
            if not self.match(r"\|(?!\|)\s*"):
                return ("pipe", elements)
            elements.append(self.element())

    def element(self):
        self.blanks()
        start = self.at
        call = self.match(r"([&.])\s*(?=[\{$'\"(\w/])") if re.match(r"&|\.[\s{]", self.text[self.at:]) else None
        if call:
            begin = self.at
            self.callee()
            self.arguments()
            end = self.at
            inner = Parser(self.text)
            inner.at = begin
            return ("invoke", start, end, (inner.callee(), *inner.arguments()), call[1] == "&")
        if self.is_over():
            raise incomplete("An empty pipe element is not allowed.", "EmptyPipeElement")
        if self.text[self.at] in "'\"$@([{,!+" or re.match(r"-?\d|-(join|split|not)\b", self.text[self.at:]):
            value = self.expression()
            return ("expr", start, self.at, value, self.redirections())
        name = self.match(r"[\w./\\~*:_?%-]+")
        if not name:
            raise Unknown(self.text[self.at:])
        arguments, redirections = self.arguments()
        return ("command", start, self.at, name[0], arguments, redirections)

    def callee(self):
        return self.postfix() if self.text[self.at] in "{$'\"(" else self.argument()

    def arguments(self):
        arguments, redirections = [], []
        while True:
            self.blanks()
            redirections += self.redirections()
            if self.is_over() or self.text[self.at] in "|;)}\n\r" or self.peek("&&"):
                return arguments, redirections
            found = self.match(r"-([A-Za-z_]\w*)(:)?")
            if found:
                arguments.append(("parameter", found[1]))
                continue
            found = self.match(r"@(\w+)(?=[\s;|)}]|$)")
            if found:
                arguments.append(("splat", found[1]))
                continue
            arguments.append(("value", self.argument_list()))

    def redirections(self):
        found = []
        while True:
            self.blanks()
            one = self.match(r"(?<!\w)([1-6*])?(>>|>)(&1)?")
            if not one:
                return found
            self.blanks()
            stream = one[1] or "1"
            if one[3]:
                found.append((stream, "output", None))
            elif self.match(r"\$null\b"):
                found.append((stream, "null", None))
            else:
                found.append((stream, "append" if one[2] == ">>" else "file", self.argument()))

    def argument_list(self):
        items = [self.argument()]
        while self.match(r"\s*,\s*"):
            items.append(self.argument())
        return items[0] if len(items) == 1 else ("array", items)

    def argument(self):
        if self.text[self.at] in "'\"({@[" or re.match(r"\$[\w({]", self.text[self.at:]):
            return self.postfix()
        number = self.match(r"-?\d+(?:\.\d+)?(?=[\s,;|)}]|$)")
        if number:
            return ("literal", float(number[0]) if "." in number[0] else int(number[0]))
        word = self.match(r"(?:`.|[^\s,;|(){}'\"<>])+")
        if not word:
            raise Unknown(self.text[self.at:])
        return ("expand", word[0]) if "$" in word[0] else ("literal", word[0])

    # Expressions, the loosest binding first.

    def expression(self):
        left = self.comparison()
        while True:
            self.blanks()
            found = self.match(r"-(and|or)\b")
            if not found:
                return left
            self.blanks(lines=True)
            left = ("binary", found[0].lower(), left, self.comparison())

    def comparison(self):
        left = self.additive()
        while True:
            self.blanks()
            found = self.match("(" + "|".join(COMPARISONS) + r")\b")
            if not found:
                return left
            self.blanks(lines=True)
            left = ("binary", found[1].lower(), left, self.additive())

    def additive(self):
        left = self.factor()
        while True:
            self.blanks()
            found = self.match(r"[+](?!=)|-(?![A-Za-z])")
            if not found:
                return left
            self.blanks(lines=True)
            left = ("binary", found[0], left, self.factor())

    def factor(self):
        left = self.range()
        while True:
            self.blanks()
            found = self.match(r"[*/%]")
            if not found:
                return left
            self.blanks(lines=True)
            left = ("binary", found[0], left, self.range())

    def range(self):
        left = self.list()
        self.blanks()
        return ("binary", "..", left, self.list()) if self.match(r"\.\.") else left

    def list(self):
        items = [self.unary()]
        while self.match(r"[ \t]*,\s*"):
            items.append(self.unary())
        return items[0] if len(items) == 1 else ("array", items)

    def unary(self):
        self.blanks(lines=True)
        if self.take(","):
            return ("array", [self.unary()])
        if self.match(r"!|-not\b"):
            return ("not", self.unary())
        sign = self.match(r"-(join|split)\b")
        if sign:
            return ("unary", sign[0].lower(), self.unary())
        if self.match(r"-(?=[\d$(])"):
            return ("negative", self.unary())
        cast = self.match(r"\[([\w.,\[\]` ]+?)\](?!::)(?=\s*['\"$@(\[\d{-])")
        if cast:
            return ("cast", cast[1].lower(), self.unary())
        return self.postfix()

    def postfix(self):
        node = self.primary()
        while True:
            found = self.match(r"(\.|::)(\w+)(\()?")
            if found:
                call = self.call_arguments() if found[3] else None
                node = ("member", node, found[2], call)
            elif self.peek("[") and node[0] != "literal":
                self.at += 1
                place = self.expression()
                self.expect("]")
                node = ("index", node, place)
            else:
                return node

    def call_arguments(self):
        items = []
        while True:
            self.blanks(lines=True)
            if self.take(")"):
                return items
            node = self.additive()
            items += node[1] if node[0] == "array" else [node]
            self.blanks(lines=True)
            self.take(",")

    def primary(self):
        if self.is_over():
            raise incomplete("You must provide a value expression.", "ExpectedValueExpression")
        if self.text[self.at] in "'\"":
            return self.quoted()
        if re.match(r"@['\"]", self.text[self.at:]):
            return self.here_string()
        hexadecimal = self.match(r"0x[0-9a-f]+")
        if hexadecimal:
            return ("literal", int(hexadecimal[0], 16))
        number = self.match(r"(\d+(?:\.\d+)?)(kb|mb|gb)?")
        if number:
            value = float(number[1]) if "." in number[1] else int(number[1])
            return ("literal", value * SIZES[(number[2] or "").lower()])
        if self.match(r"\$\("):
            return self.until(")", "sub")
        if self.match(r"@\("):
            return self.until(")", "list")
        if self.match(r"@\{"):
            return self.table()
        if self.take("("):
            return self.until(")", "paren")
        if self.take("{"):
            begin = self.at
            self.skip_braces()
            return ("block", self.text[begin:self.at - 1])
        name = self.match(r"\$\{([^}]*)\}|\$((?:\w+:)?\w+|[?_$])")
        if name:
            return ("variable", name[1] or name[2])
        kind = self.match(r"\[([\w.]+(?:\[[^\]]*\])?)\]")
        if kind:
            return ("type", kind[1])
        raise Unknown(self.text[self.at:])

    def until(self, end, kind):
        inner = self.block(end)
        self.expect(end)
        return (kind, inner)

    def table(self):
        pairs = []
        while True:
            self.match(r"(?:\s|;)*")
            if self.take("}"):
                return ("table", pairs)
            key = self.match(r"(\w+)\s*=")
            if key:
                name = ("literal", key[1])
            else:
                name = self.postfix()
                self.blanks(lines=True)
                self.expect("=")
            self.blanks(lines=True)
            pairs.append((name, self.statement()))

    def here_string(self):
        """`@'` or `@"` to the end of the line, then lines up to one that begins with the quote."""
        quote = self.text[self.at + 1]
        found = self.match(r"@(['\"])[ \t]*\r?\n")
        end = re.compile(r"\r?\n" + quote + "@").search(self.text, self.at - 1) if found else None
        if end is None:
            raise incomplete(f"The string is missing the terminator: {quote}@.", "TerminatorExpectedAtEndOfString")
        inner = self.text[self.at:max(end.start(), self.at)]
        self.at = end.end()
        if quote == "'":
            return ("literal", inner)
        return Parser('"' + inner.replace('"', '""') + '"').quoted()

    def quoted(self):
        quote = self.text[self.at]
        self.at += 1
        parts, plain = [], ""
        while True:
            if self.is_over():
                message = f"The string is missing the terminator: {quote}."
                raise incomplete(message, "TerminatorExpectedAtEndOfString")
            sign = self.text[self.at]
            if sign == quote:
                self.at += 1
                if not self.peek(quote):
                    break
                plain += quote
                self.at += 1
            elif quote == '"' and sign == "`" and self.at + 1 < len(self.text):
                plain += ESCAPES.get(self.text[self.at + 1], self.text[self.at + 1])
                self.at += 2
            elif quote == '"' and sign == "$" and re.match(r"\$[\w({?]", self.text[self.at:]):
                parts += [("literal", plain), self.primary()]
                plain = ""
            else:
                plain += sign
                self.at += 1
        if parts:
            return ("text", parts + [("literal", plain)])
        return ("literal", plain)


def parse(text):
    parser = Parser(text)
    script = parser.script()
    parser.blanks(lines=True)
    if not parser.is_over():
        raise Unknown(text[parser.at:])
    return script
