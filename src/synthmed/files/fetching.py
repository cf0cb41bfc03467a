"""Files from the network, fetched when a command asks for them and never otherwise.

What comes is written beside its place and goes on where it was cut off; who asks compares the digest and renames.
"""

import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from synthmed.files.paths import open_own, refuse_link
from synthmed.running.progress import Progress, silence

TROUBLES = (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError)
"""What a server or the way to it can do to a download."""

_BLOCK = 1 << 20
_WAIT_SECONDS = 30
_LOCAL = {"localhost", "127.0.0.1", "::1"}
_PARTIAL, _RANGE_REFUSED = 206, 416


def download(url: str, partial: Path, name: str, progress: Progress = silence, *, most: int = 1 << 40) -> None:
    """Download a file, or the rest of it.

    Args:
        url: an https address; http on this machine alone.
        partial: the file to write; what is there already is taken as its beginning.
        name: for ``progress``.
        progress: hears how far it is, in bytes.
        most: bytes beyond which it is broken off.

    Raises:
        URLError, HTTPException, TimeoutError, ConnectionError: ``TROUBLES``; what came is kept.
        ArtifactError: a link stands at ``partial``.
    """
    refuse_link(partial)
    done = partial.stat().st_size if partial.is_file() else 0
    _check_address(url)
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        answer = urllib.request.urlopen(request, timeout=_WAIT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code != _RANGE_REFUSED:
            raise
        return  # nothing is left to fetch; the digest decides
    with answer:
        _check_address(answer.url)  # where redirections have led
        # A server that knows no ranges sends all of it again.
        going_on = answer.status == _PARTIAL
        done = done if going_on else 0
        total = done + int(answer.headers.get("Content-Length") or 0)
        with open_own(partial, "ab" if going_on else "wb") as file:
            while block := answer.read1(_BLOCK):  # what has come is kept, whenever it ends
                file.write(block)
                done += len(block)
                if done > most:
                    raise http.client.HTTPException(f"it is larger than {most} bytes")
                progress(done, max(total, done), name)
            file.flush()
            os.fsync(file.fileno())
    if done < total:
        raise http.client.HTTPException(f"it broke off after {done} of {total} bytes")


def is_address(text: str) -> bool:
    """Whether a text is an address of the network, and no path."""
    return urlsplit(text).scheme in ("http", "https")


def _check_address(url: str) -> None:
    address = urlsplit(url)
    if address.scheme != "https" and not (address.scheme == "http" and address.hostname in _LOCAL):
        raise http.client.HTTPException(f"the address is {address.scheme}, not https")
