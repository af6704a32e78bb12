"""One half of a login by CredSSP, played by pyspnego, for the tests of the inner TLS session.

Usage: credssp_half.py (client|server) [--user U --password P] [--version N] [--tls MIN MAX] [--inner auto|ntlm|kerberos]
                       [--host NAME]

Lines on standard input are commands, each answered by one line on standard output:

  step [BASE64]       gives a token (or none); answers "token BASE64", "done [BASE64]" or "error TEXT"
  wrap BASE64         seals; answers "sealed HEADER DATA"
  unwrap HEADER DATA  opens; answers "plain BASE64"
  credential          answers "credential DOMAIN USER PASSWORD", each in BASE64: what the client handed over
  about               answers "about TLS VERSION"
"""

import argparse
import base64
import ssl
import sys

import spnego
import spnego._credssp
import spnego.tls


def encode(data):
    return base64.b64encode(data).decode() or "-"


def decode(text):
    return b"" if text == "-" else base64.b64decode(text)


def tls_context(options):
    """The TLS that is asked for; a server shows pyspnego's own certificate."""
    usage = "accept" if options.role == "server" else "initiate"
    made = spnego._credssp._create_tls_context(usage)
    oldest, newest = (getattr(ssl.TLSVersion, name) for name in options.tls)
    made.context.minimum_version, made.context.maximum_version = oldest, newest
    if oldest < ssl.TLSVersion.TLSv1_2:
        made.context.set_ciphers("ALL:@SECLEVEL=0")
    return made


def make_context(options):
    if options.version:
        spnego._credssp._CREDSSP_VERSION = options.version
    arguments = {"protocol": "credssp", "hostname": options.host, "service": "HTTP"}
    arguments["credssp_tls_context"] = tls_context(options)
    if options.role == "server":
        return spnego.server(**arguments)
    if options.inner != "auto":
        arguments["credssp_negotiate_context"] = spnego.client(
            options.user, options.password, hostname=options.host, service="HTTP", protocol=options.inner
        )
    return spnego.client(options.user, options.password, **arguments)


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
    if command == "credential":
        one = context.get_extra_info("client_credential")
        fields = (one.domain_name, one.username, one.password)
        return "credential " + " ".join(encode((field or "").encode()) for field in fields)
    if command == "about":
        version = context.get_extra_info("protocol_version")
        return f"about {context.get_extra_info('ssl_object').version()} {version}"
    return f"error unknown command {command}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["client", "server"])
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--version", type=int)
    parser.add_argument("--tls", nargs=2, default=["TLSv1_2", "TLSv1_3"])
    parser.add_argument("--inner", default="auto")
    parser.add_argument("--host", default="testhost.example")
    context = make_context(parser.parse_args())
    for line in sys.stdin:
        try:
            reply = answer(context, line.split())
        except Exception as problem:  # the test wants to see whatever it is
            reply = "error " + " ".join(str(problem).split())
        print(reply, flush=True)


if __name__ == "__main__":
    main()
