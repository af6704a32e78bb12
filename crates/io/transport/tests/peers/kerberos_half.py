"""One half of a Kerberos login, played by MIT's GSSAPI or by pyspnego, for the tests of the transport crate.

Usage: kerberos_half.py (gssapi|pyspnego) (client|server) (kerberos|negotiate) [--host H] [--user U --password P]
                        [--cbt BASE64] [--delegate]

Tickets and keys are where KRB5CCNAME and KRB5_KTNAME say; with a password pyspnego buys tickets itself. Lines on standard
input are commands, each answered by one line on standard output:

  step [BASE64]       gives a token (or none); answers "token BASE64", "done [BASE64]" or "error TEXT"
  wrap BASE64         seals as WinRM does; answers "sealed HEADER DATA"
  whole BASE64        seals into one token (gss_wrap); answers "sealed HEADER DATA"
  unwrap HEADER DATA  opens as WinRM does; answers "plain BASE64", with RC4's byte of padding behind it
  open HEADER DATA    opens both as one token (gss_unwrap); answers "plain BASE64"
  who                 answers "who NAME BOUND DELEGATED": the user whom the server let in, whether the login was bound to
                      the channel, and whose ticket it got
"""

import argparse
import base64
import sys


def encode(data):
    return base64.b64encode(data).decode() or "-"


def decode(text):
    return b"" if text == "-" else base64.b64decode(text)


def cut(token, plain):
    """Two parts: a token of RFC 4757 in front of the data, one of RFC 4121 somewhere."""
    place = len(token) - len(plain) - 1 if token[0] == 0x60 else 60
    return token[:place], token[place:]


class Gssapi:
    """MIT's library with nothing in between."""

    def __init__(self, options):
        import gssapi
        from gssapi.raw import ChannelBindings

        self.gssapi = gssapi
        kerberos = gssapi.OID.from_int_seq("1.2.840.113554.1.2.2")
        spnego = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")
        mechanism = kerberos if options.protocol == "kerberos" else spnego
        arguments = {}
        if options.cbt:
            arguments["channel_bindings"] = ChannelBindings(application_data=decode(options.cbt))
        if options.role == "server":
            credential = gssapi.Credentials(usage="accept", mechs=[mechanism])
            self.context = gssapi.SecurityContext(creds=credential, usage="accept", **arguments)
            return
        wanted = gssapi.RequirementFlag
        flags = (
            wanted.mutual_authentication | wanted.replay_detection | wanted.out_of_sequence_detection
            | wanted.integrity | wanted.confidentiality
        )
        if options.delegate:
            flags |= wanted.delegate_to_peer
        self.context = gssapi.SecurityContext(
            name=gssapi.Name(f"HTTP@{options.host}", gssapi.NameType.hostbased_service),
            creds=gssapi.Credentials(usage="initiate", mechs=[mechanism]),
            mech=mechanism,
            flags=flags,
            usage="initiate",
            **arguments,
        )

    def step(self, token):
        return self.context.step(token)

    def complete(self):
        return self.context.complete

    def wrap(self, plain):
        raw = self.gssapi.raw
        kinds = raw.IOVBufferType
        iov = raw.IOV(kinds.header, plain, kinds.padding, std_layout=False)
        raw.wrap_iov(self.context, iov, confidential=True)
        return iov[0].value, iov[1].value + (iov[2].value or b"")

    def whole(self, plain):
        return cut(self.context.wrap(plain, True).message, plain)

    def unwrap(self, header, data):
        raw = self.gssapi.raw
        kinds = raw.IOVBufferType
        iov = raw.IOV((kinds.header, False, header), (kinds.data, False, data), kinds.data, std_layout=False)
        raw.unwrap_iov(self.context, iov)
        return iov[1].value

    def open(self, header, data):
        return self.context.unwrap(header + data).message

    def who(self):
        bound = bool(self.context.actual_flags & self.gssapi.RequirementFlag.channel_bound)
        given = self.context.delegated_creds
        return self.context.initiator_name, bound, given.name if given else "-"


class Pyspnego:
    """pyspnego above it."""

    def __init__(self, options):
        import spnego
        from spnego.channel_bindings import GssChannelBindings

        arguments = {"protocol": options.protocol}
        if options.cbt:
            arguments["channel_bindings"] = GssChannelBindings(application_data=decode(options.cbt))
        if options.role == "server":
            self.context = spnego.server(hostname=options.host, service="HTTP", **arguments)
            return
        if options.delegate:
            arguments["context_req"] = spnego.ContextReq.default | spnego.ContextReq.delegate
        self.context = spnego.client(
            options.user, options.password, hostname=options.host, service="HTTP", **arguments
        )

    def step(self, token):
        return self.context.step(token)

    def complete(self):
        return self.context.complete

    def wrap(self, plain):
        result = self.context.wrap_winrm(plain)
        return result.header, result.data

    def whole(self, plain):
        return cut(self.context.wrap(plain).data, plain)

    def unwrap(self, header, data):
        return self.context.unwrap_winrm(header, data)

    def open(self, header, data):
        return self.context.unwrap(header + data).data

    def who(self):
        return self.context.client_principal, False, "-"


def answer(half, words):
    command, *rest = words
    if command == "step":
        token = half.step(decode(rest[0]) if rest else None)
        return f"{'done' if half.complete() else 'token'} {encode(token or b'')}"
    if command in ("wrap", "whole"):
        header, data = getattr(half, command)(decode(rest[0]))
        return f"sealed {encode(header)} {encode(data)}"
    if command in ("unwrap", "open"):
        return f"plain {encode(getattr(half, command)(decode(rest[0]), decode(rest[1])))}"
    if command == "who":
        name, bound, delegated = half.who()
        return f"who {name} {bound} {delegated}"
    return f"error unknown command {command}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("library", choices=["gssapi", "pyspnego"])
    parser.add_argument("role", choices=["client", "server"])
    parser.add_argument("protocol", choices=["kerberos", "negotiate"])
    parser.add_argument("--host", default="srv.transom.test")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--cbt")
    parser.add_argument("--delegate", action="store_true")
    options = parser.parse_args()
    half = (Gssapi if options.library == "gssapi" else Pyspnego)(options)
    for line in sys.stdin:
        try:
            reply = answer(half, line.split())
        except Exception as problem:  # the test wants to see whatever it is
            reply = "error " + " ".join(str(problem).split())
        print(reply, flush=True)


if __name__ == "__main__":
    main()
