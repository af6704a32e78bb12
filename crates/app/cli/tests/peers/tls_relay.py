"""Ends TLS in front of a service by https and begins it anew behind: somebody in the middle, with a certificate of its own.

Usage: tls_relay.py CERTIFICATE KEY PORT

Prints the port on which it listens.
"""

import select
import socket
import ssl
import sys
import threading


def pass_on(client, service):
    """Both directions by one thread: a connection of Python's ssl is not for two at once."""
    other = {client: service, service: client}
    for end in other:
        end.setblocking(False)
    while True:
        # What the library has taken from the socket already is not seen by select.
        for end in [end for end in other if end.pending()] or select.select(list(other), [], [])[0]:
            try:
                data = end.recv(65536)
            except ssl.SSLWantReadError:
                continue
            if not data:
                return
            other[end].setblocking(True)
            other[end].sendall(data)
            other[end].setblocking(False)


def relay(connection, outside, inside, port):
    try:
        with outside.wrap_socket(connection, server_side=True) as client:
            with inside.wrap_socket(socket.create_connection(("127.0.0.1", port))) as service:
                pass_on(client, service)
    except OSError:
        connection.close()


def main():
    certificate, key, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    outside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    outside.load_cert_chain(certificate, key)
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    inside.check_hostname, inside.verify_mode = False, ssl.CERT_NONE
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=relay, args=(connection, outside, inside, port), daemon=True).start()


if __name__ == "__main__":
    main()
