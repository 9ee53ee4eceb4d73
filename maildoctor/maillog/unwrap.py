"""Whatever a log is wrapped in, told by its first bytes: compression, UTF-16, JSON, other forms of lines."""

import codecs
import contextlib
import importlib
import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from maildoctor.host import CannotLook, Unreadable
from maildoctor.maillog.foreign import canonical, is_foreign
from maildoctor.maillog.journal import is_export, lines_of_export
from maildoctor.maillog.line import LONGEST
from maildoctor.maillog.stamps import STAMP

HEAD = 64 * 1024
"""Bytes by which a layer is told."""
CHUNK = 256 * 1024
GZIP = 31
"""zlib's window bits for gzip."""
MOST_LAYERS = 4
_CONTROLS = bytes((*range(9), *range(14, 27), *range(28, 32), 127))
Chunks = Iterator[bytes]
Layer = Callable[[str, Chunks], Chunks]


def layer_of(head: bytes) -> Layer | None:
    """Give what unwraps a source that begins like this; None for plain lines of syslog."""
    for magic, layer in _MAGIC.items():
        if head.startswith(magic):
            return layer
    if is_export(head):
        return lambda _, chunks: batched(lines_of_export(chunks))
    if head.startswith(b"{"):
        return _json_lines
    if _is_binary(head):
        return _no_log("binary data")
    return _foreign if is_foreign(head) else None


def _is_binary(head: bytes) -> bool:
    """Tell whether nothing here looks like a log; one may hold NUL bytes after a crash."""
    strange = len(head) - len(head.translate(None, _CONTROLS))
    return strange * 20 > len(head) and not STAMP.search(head)


def unwrapped(name: str, chunks: Chunks) -> Chunks:
    """Yield what ``chunks`` hold. Raises Unreadable, with ``name``, for what is damaged or no log."""
    for _ in range(MOST_LAYERS):
        head, chunks = peeked(chunks)
        layer = layer_of(head)
        if layer is None:
            break
        chunks = layer(name, chunks)
        if layer in (_foreign, _json_lines):
            break
    yield from chunks


def peeked(chunks: Chunks, wanted: int = HEAD) -> tuple[bytes, Chunks]:
    """Give the first ``wanted`` bytes, or so, and all chunks, damage behind them included."""
    held: list[bytes] = []
    size = 0
    try:
        while size < wanted and (chunk := next(chunks, b"")):
            held.append(chunk)
            size += len(chunk)
    except CannotLook as error:
        chunks = _failing(error)
    head = b"".join(held)
    return head, _chained(head, chunks)


def _failing(error: CannotLook) -> Chunks:
    raise error
    yield b""


def batched(lines: Iterable[bytes]) -> Chunks:
    """Yield lines with their line ends, many in one chunk."""
    held: list[bytes] = []
    size = 0
    for line in lines:
        held.append(line)
        size += len(line)
        if size >= HEAD:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def _chained(head: bytes, chunks: Chunks) -> Chunks:
    if head:
        yield head
    yield from chunks


def lines_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield whole lines without their line ends; of a line of megabytes, its beginning."""
    held = b""
    for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        if whole:
            yield held + whole[0]
            yield from whole[1:]
            held = rest
        else:
            held = (held + rest)[:LONGEST]
    if held:
        yield held


def _foreign(_: str, chunks: Chunks) -> Chunks:
    return batched(canonical(line[:LONGEST]) + b"\n" for line in lines_of(chunks))


def _json_lines(_: str, chunks: Chunks) -> Chunks:
    """Read docker's json-file and its like: an object a line, with the message and its time."""
    return batched(canonical(_said(line)[:LONGEST]) + b"\n" for line in lines_of(chunks))


def _said(line: bytes) -> bytes:
    """Give a line of syslog for one object; what is none is left as it is."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return line
    if not isinstance(entry, dict):
        return line
    text = _first(entry, "log", "message", "msg").strip().replace("\n", " ")
    if tag := _first(entry, "syslogtag", "ident", "programname", "program", "appname").rstrip(":"):
        pid = _first(entry, "pid", "procid")
        text = f"{tag}[{pid}]: {text}" if pid.isdigit() and "[" not in tag else f"{tag}: {text}"
    said = text.encode("utf-8", "replace")
    when = _first(entry, "time", "timestamp", "@timestamp", "timereported")
    return f"{when} - ".encode("utf-8", "replace") + said if when and not STAMP.match(said) else said


def _first(entry: dict[str, Any], *names: str) -> str:
    return next((str(entry[name]) for name in names if name in entry), "")


def _utf_16(_: str, chunks: Chunks) -> Chunks:
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    for chunk in chunks:
        yield decoder.decode(chunk).encode("utf-8", "replace")


def _gzip(name: str, chunks: Chunks) -> Chunks:
    zlib = importlib.import_module("zlib")
    unpacker = None
    for chunk in chunks:
        while chunk := chunk if unpacker else chunk.lstrip(b"\0"):
            if unpacker is None:
                # Another member may follow; what is none is padding.
                if not chunk.startswith(b"\x1f"):
                    return
                unpacker = zlib.decompressobj(GZIP)
            try:
                text = unpacker.decompress(chunk, CHUNK)
            except zlib.error as error:
                raise Unreadable(name, f"cannot be unpacked: {error}") from error
            if text:
                yield text
            chunk = unpacker.unconsumed_tail
            if unpacker.eof:
                chunk, unpacker = unpacker.unused_data, None
    if unpacker is not None:
        raise _cut_off(name)


def _cut_off(name: str) -> Unreadable:
    return Unreadable(name, "is cut off: the rest of what was packed is missing")


def _with(module: str, unpacker_name: str) -> Layer:
    def unpack(name: str, chunks: Chunks) -> Chunks:
        kind = getattr(importlib.import_module(module), unpacker_name)
        unpacker, begun = kind(), False
        for chunk in chunks:
            while (chunk := chunk if begun else chunk.lstrip(b"\0")) or not unpacker.needs_input:
                begun = True
                try:
                    text = unpacker.decompress(chunk, CHUNK)
                except Exception as error:  # each module has errors of its own for damaged files
                    raise Unreadable(name, f"cannot be unpacked: {error}") from error
                chunk = b""
                if text:
                    yield text
                if unpacker.eof:
                    chunk, unpacker, begun = unpacker.unused_data, kind(), False
        if begun:
            raise _cut_off(name)

    return unpack


def _zstandard(name: str, chunks: Chunks) -> Chunks:
    """Unpack with zstd(1); Python has a module of its own only since 3.14."""
    if shutil.which("zstd") is None:
        raise Unreadable(name, "is compressed with zstd, which is not installed")
    process = subprocess.Popen(
        ("zstd", "-dcq"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdin is not None
    assert process.stdout is not None
    failed: list[Exception] = []
    feeder = threading.Thread(target=_feed, args=(process.stdin, chunks, failed), daemon=True)
    feeder.start()
    try:
        while text := process.stdout.read(CHUNK):
            yield text
        if process.wait() or failed:
            reason = str(failed[0]) if failed else "zstd finds it damaged or cut off"
            raise Unreadable(name, f"cannot be unpacked: {reason}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _feed(stream: Any, chunks: Chunks, failed: list[Exception]) -> None:
    """Write ``chunks`` to zstd; what keeps them from being read goes into ``failed``."""
    with contextlib.suppress(OSError, ValueError):
        try:
            for chunk in chunks:
                stream.write(chunk)
        except CannotLook as error:
            failed.append(error)
        stream.close()


def _no_log(what: str) -> Layer:
    def refuse(name: str, _: Chunks) -> Chunks:
        raise Unreadable(name, f"is {what}, not a log")

    return refuse


_MAGIC: dict[bytes, Layer] = {
    b"\x1f\x8b": _gzip,
    b"BZh": _with("bz2", "BZ2Decompressor"),
    b"\xfd7zXZ\x00": _with("lzma", "LZMADecompressor"),
    b"\x5d\x00\x00": _with("lzma", "LZMADecompressor"),
    b"\x28\xb5\x2f\xfd": _zstandard,
    b"\xff\xfe": _utf_16,
    b"\xfe\xff": _utf_16,
    b"PK\x03\x04": _no_log("a zip archive"),
    b"7z\xbc\xaf": _no_log("a 7-Zip archive"),
    b"\x7fELF": _no_log("a program"),
    b"%PDF-": _no_log("a PDF document"),
    b"SQLite format 3\x00": _no_log("a database"),
}
