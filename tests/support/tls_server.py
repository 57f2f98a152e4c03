"""Serves a directory over https to clients whose certificate is of an authority, and prints its URL.

Usage: tls_server.py DIRECTORY SERVER.pem AUTHORITY.pem [URL of another server, to which all requests are redirected]
"""
import functools
import http.server
import ssl
import sys

directory, server, authority, *elsewhere = sys.argv[1:]


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if not elsewhere:
            return super().do_GET()
        self.send_response(302)
        self.send_header("Location", elsewhere[0] + self.path)
        self.end_headers()


handler = functools.partial(Handler, directory=directory)
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority)
context.verify_mode = ssl.CERT_REQUIRED
context.load_cert_chain(server)
httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
httpd.socket = context.wrap_socket(httpd.socket, server_side=True, do_handshake_on_connect=False)
print(f"(https://127.0.0.1:{httpd.server_port}/)", flush=True)
httpd.serve_forever()
