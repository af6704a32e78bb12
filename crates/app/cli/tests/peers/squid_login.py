"""The verdict over NTLM for Squid: pyspnego answers what Squid asks.

Usage: squid_login.py (ntlm|negotiate)

Prints the port on which it listens; a helper of Squid passes Squid's lines on to it, since Squid's user may not be
allowed to start this interpreter. Squid's own protocol for such helpers: `YR token` begins a login and `KK token` goes
on with it; the answers are `TT token` (more), `AF [token] user` (in) and `NA [token] reason` (not in). NTLM_USER_FILE
names the accounts.
"""

import base64
import socketserver
import sys

import spnego

PROTOCOL = sys.argv[1]


class Helper(socketserver.StreamRequestHandler):
    """One helper of Squid, with one login at a time."""

    def handle(self):
        context = None
        for line in self.rfile:
            word, _, token = line.decode().strip().partition(" ")
            if word == "YR":
                context = spnego.server(protocol=PROTOCOL)
            self.wfile.write(answer(context, token).encode() + b"\n")


def answer(context, token):
    is_negotiate = PROTOCOL == "negotiate"
    try:
        reply = context.step(base64.b64decode(token))
    except Exception as problem:  # Squid passes the reason on
        reason = "_".join(str(problem).split()) or "refused"
        return f"NA = {reason}" if is_negotiate else f"NA {reason}"
    reply = base64.b64encode(reply or b"").decode()
    if not context.complete:
        return f"TT {reply}"
    given = [reply or "="] if is_negotiate else []
    return " ".join(["AF", *given, context.client_principal])


def main():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Helper) as server:
        server.daemon_threads = True
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
