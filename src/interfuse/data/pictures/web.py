"""Files of web servers: from public addresses, without redirects, whole within one deadline or not at all."""

import http.client
import io
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from interfuse.core.errors import DataError

DEADLINE_S = 60.0
"""Seconds that everything about one URL may take, from the first packet to the last byte."""
_PIECE = 1 << 16
_DISGUISES = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")))
"""Addresses that stand for others, which may be private."""


def get(url: str, max_bytes: int, private: bool = False) -> io.BytesIO:
    """Fetch a file by http or https.

    Args:
        url: of the file.
        max_bytes: the largest that is taken.
        private: take it from a private address too: this machine, its network, a cloud's metadata.

    Raises:
        DataError: the server is at a private address, sends elsewhere, is too slow or gives too much.
        OSError: it cannot be reached.
    """
    with _ask("GET", url, private) as response:
        content = io.BytesIO()
        while piece := response.read1(_PIECE):
            content.write(piece)
            if content.tell() > max_bytes:
                raise DataError(f"the remote file is larger than the limit of {max_bytes:,} bytes")
        if response.length:
            raise DataError("the remote file breaks off")
        content.seek(0)
        return content


def head(url: str, private: bool = False) -> Mapping[str, str]:
    """Return what a server says of a file, without the file.

    Raises:
        DataError: as `get`.
        OSError: it cannot be reached.
    """
    with _ask("HEAD", url, private) as response:
        return dict(response.headers)


def check_public(address: str) -> None:
    """Refuse an address of this machine, its network or a cloud's metadata.

    Raises:
        DataError: it is one.
    """
    number = ipaddress.ip_address(address.partition("%")[0])
    number = getattr(number, "ipv4_mapped", None) or number
    disguised = number.version == 6 and any(number in network for network in _DISGUISES)
    if disguised or not number.is_global or number.is_multicast:
        raise DataError(f"the URL leads to the private address {address}; fetch=any fetches from such too")


@contextmanager
def _ask(method: str, url: str, private: bool) -> Iterator[http.client.HTTPResponse]:
    """Send a request, and close the connection when the deadline is over, whatever the server does meanwhile."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme.lower() == "https" else 80)
    end = time.monotonic() + DEADLINE_S
    with _connect(host, port, parts.scheme.lower() == "https", private) as line:
        over = threading.Timer(max(0.0, end - time.monotonic()), _break, [line])
        over.daemon = True
        over.start()
        try:
            if isinstance(line, ssl.SSLSocket):
                line.do_handshake()
            connection = http.client.HTTPConnection(host, port)
            connection.sock = line
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request(method, path, headers={"User-Agent": "interfuse", "Connection": "close"})
            response = connection.getresponse()
            if 300 <= response.status < 400:
                raise DataError(f"the server sends elsewhere ({response.status}), and redirects are not followed")
            if response.status == 404:
                raise DataError("the remote file does not exist")
            if response.status != 200:
                raise DataError(f"the server answers {response.status} {response.reason}")
            yield response
            if time.monotonic() >= end:  # a line that is cut looks like the end of a body without a length
                raise TimeoutError
        except (OSError, ValueError, http.client.HTTPException) as error:
            if time.monotonic() >= end:
                raise DataError(f"the server took longer than {DEADLINE_S:.0f} seconds") from error
            raise
        finally:
            over.cancel()


def _connect(host: str, port: int, secure: bool, private: bool) -> socket.socket:
    """Connect to the very address that was looked at, so that a second answer of the name server changes nothing.

    TLS has not begun then: its handshake is to be within the deadline too.
    """
    addresses = list(dict.fromkeys(str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
    if not private:
        for address in addresses:
            check_public(address)
    for number, address in enumerate(addresses):
        try:
            line = socket.create_connection((address, port), timeout=DEADLINE_S / 4)
            break
        except OSError:
            if number == len(addresses) - 1:
                raise
    line.settimeout(DEADLINE_S)
    if not secure:
        return line
    return ssl.create_default_context().wrap_socket(line, server_hostname=host, do_handshake_on_connect=False)


def _break(line: socket.socket) -> None:
    try:
        socket.socket.shutdown(line, socket.SHUT_RDWR)  # a TLS socket's own waits for the other side
    except OSError:  # it is closed already
        return
