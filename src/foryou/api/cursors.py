"""How does a feed remember what it has shown, if no server does? The client carries it, signed, from answer to answer.

A cursor is base64url(mac[16] · format[1] · issued[4] · scope[8] · memory). `memory` is the sorted uint32 hashes of the
items shown, as they are where there are few (format 1), else (format 2) their differences, byte by byte of all of them
(the high bytes are mostly 0), deflated: about 3 bytes an item. mac: HMAC-SHA256 of the rest (RFC 2104), cut to 16
bytes. scope: who and where the feed is for.
"""

import hmac
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from struct import Struct, pack

import numpy as np
from numpy.typing import NDArray

from foryou.domain.errors import Invalid
from foryou.domain.event import hash64
from foryou.serve.feed import memory

LASTS_MS = 86_400_000  # a feed that rests longer is over
MAX_ITEMS = 10_000  # of one feed
POPULAR = 16_384  # items whose hash is remembered
FEW = 100  # items that are not worth the time to make them smaller
_PLAIN, _PACKED, _MAC_BYTES = 1, 2, 16
_HEAD = Struct("<BI8s")
_MEND = "begin a new feed: leave the cursor out"


class Cursors:
    """Makes and reads cursors. secret: the same for all processes that answer."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def after(self, fed: bytes, item_ids: Sequence[str], scope: tuple[str, ...], now_ms: int) -> str | None:
        """Give the cursor of a feed that has shown `fed` and now these items; None where it has no room for more."""
        new = {_low(item_id) for item_id in item_ids}
        if not fed and len(new) <= FEW:  # most answers, so nothing of numpy
            form, kept = _PLAIN, pack(f"<{len(new)}I", *sorted(new))
        else:
            shown = np.union1d(memory(fed), np.array([*new], np.uint32))
            if len(shown) > MAX_ITEMS:
                return None
            form, kept = (_PLAIN, shown.astype("<u4").tobytes()) if len(shown) <= FEW else (_PACKED, _packed(shown))
        said = _HEAD.pack(form, now_ms // 1_000, _scope(scope)) + kept
        return urlsafe_b64encode(self._mac(said) + said).rstrip(b"=").decode()

    def read(self, cursor: str, scope: tuple[str, ...], now_ms: int) -> bytes:
        """Give what a feed has shown, as `Query.fed`. Raises Invalid if it is forged, expired or of another feed."""
        try:
            whole = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        except ValueError:
            whole = b""
        said = whole[_MAC_BYTES:]
        if len(said) < _HEAD.size or not hmac.compare_digest(whole[:_MAC_BYTES], self._mac(said)):
            raise Invalid("cursor", "was not made here, or was changed on its way", _MEND)
        form, issued_s, of = _HEAD.unpack_from(said)
        if form not in (_PLAIN, _PACKED) or issued_s < (now_ms - LASTS_MS) // 1_000:
            raise Invalid("cursor", f"has expired: it lasts {LASTS_MS // 3_600_000} hours", _MEND)
        if of != _scope(scope):
            raise Invalid("cursor", "belongs to another user, item or placement", _MEND)
        return said[_HEAD.size :] if form == _PLAIN else _unpacked(said[_HEAD.size :])

    def _mac(self, said: bytes) -> bytes:
        return hmac.digest(self._secret, said, "sha256")[:_MAC_BYTES]


@lru_cache(maxsize=POPULAR)
def _low(item_id: str) -> int:
    return hash64(item_id) & 0xFFFF_FFFF


def _packed(shown: NDArray[np.uint32]) -> bytes:
    planes = np.diff(shown, prepend=np.uint32(0)).astype("<u4").view(np.uint8).reshape(-1, 4).T
    return zlib.compress(planes.tobytes())


def _unpacked(kept: bytes) -> bytes:
    planes = np.frombuffer(zlib.decompress(kept), np.uint8)  # signed by us, so no bomb
    gaps = np.ascontiguousarray(planes.reshape(4, -1).T).view("<u4").ravel()
    return np.cumsum(gaps, dtype=np.uint32).astype("<u4").tobytes()


def _scope(parts: tuple[str, ...]) -> bytes:
    return blake2b("\0".join(parts).encode(), digest_size=8).digest()
