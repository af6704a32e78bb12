"""One half of a login, played by pyspnego, for the tests of the login crate.

Usage: pyspnego_half.py (client|server) (ntlm|negotiate) [--user U --password P] [--cbt BASE64]

Lines on standard input are commands, each answered by one line on standard output:

  step [BASE64]       gives a token (or none); answers "token BASE64", "done [BASE64]" or "error TEXT"
  wrap BASE64         seals; answers "sealed HEADER DATA"
  unwrap HEADER DATA  opens; answers "plain BASE64"
  who                 answers "who NAME", the user whom the server let in
"""

import argparse
import base64
import sys

import spnego
from spnego.channel_bindings import GssChannelBindings


def encode(data):
    return base64.b64encode(data).decode() or "-"


def decode(text):
    return b"" if text == "-" else base64.b64decode(text)


def make_context(options):
    arguments = {"protocol": options.protocol}
    if options.cbt:
        arguments["channel_bindings"] = GssChannelBindings(application_data=decode(options.cbt))
    if options.role == "server":
        return spnego.server(**arguments)
    return spnego.client(
        options.user, options.password, hostname="testhost.example", service="http", **arguments
    )


def answer(context, words):
    command, *rest = words
    if command == "step":
        token = context.step(decode(rest[0]) if rest else None)
        kind = "done" if context.complete else "token"
        return f"{kind} {encode(token or b'')}"
    if command == "wrap":
        result = context.wrap_winrm(decode(rest[0]))
        return f"sealed {encode(result.header)} {encode(result.data)}"
    if command == "unwrap":
        return f"plain {encode(context.unwrap_winrm(decode(rest[0]), decode(rest[1])))}"
    if command == "who":
        return f"who {context.client_principal}"
    return f"error unknown command {command}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["client", "server"])
    parser.add_argument("protocol", choices=["ntlm", "negotiate"])
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--cbt")
    context = make_context(parser.parse_args())
    for line in sys.stdin:
        try:
            reply = answer(context, line.split())
        except Exception as problem:  # the test wants to see whatever it is
            reply = "error " + " ".join(str(problem).split())
        print(reply, flush=True)


if __name__ == "__main__":
    main()
