"""Where does the archive lie? In a folder or a bucket; readers of Parquet open its parts there, without a copy."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from foryou.domain.ports import Sink
from foryou.stores.objects import Bucket, Objects


class ObjectArchive:
    """An Archive under a URL: `file:///folder` or `s3://bucket/prefix`. `cache`: where ids of a bucket are mapped."""

    def __init__(self, url: str, cache: Path | None = None, bucket: Bucket | None = None) -> None:
        self._url, self._bucket = url.rstrip("/"), bucket or Bucket()
        self._objects = Objects(url, cache, self._bucket)

    def create(self, name: str, body: bytes) -> bool:
        """Put an object if there is none of this name: one of several racers gets True."""
        return self._objects.create(name, body)

    def put(self, name: str, fill: Callable[[Sink], object]) -> str:
        """Put what `fill` writes under a name that is used once; gives its checksum."""
        return self._objects.put(name, fill)

    def replace(self, name: str, fill: Callable[[IO[bytes]], object]) -> None:
        """Put what `fill` writes in place of what is there, whole or not at all."""
        self._objects.replace(name, fill)

    def read(self, name: str) -> bytes:
        """Give an object. NotFound if there is none."""
        return self._objects.get(name, name)

    def names(self, prefix: str) -> list[str]:
        """Give the names of all objects below a prefix, in order."""
        return sorted(meta["path"] for meta in self._objects.under(prefix))

    def delete(self, names: Sequence[str]) -> None:
        """Delete objects and their local copies."""
        self._objects.delete(names)

    def fetched(self, checksums: dict[str, str]) -> list[Path]:
        """Give local files with the bytes of objects that were `put` (name -> checksum), to be mapped."""
        return self._objects.fetched(checksums)

    def located(self, names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """Give paths or URLs that readers of Parquet open, and what they must be told of the store."""
        if self._url.startswith("file:"):
            folder = Path(unquote(urlsplit(self._url).path))
            return [str(folder / name) for name in names], {}
        said = {"aws_allow_http": "true"}
        if self._bucket.endpoint:
            said["aws_endpoint_url"] = self._bucket.endpoint
        if self._bucket.region:
            said["aws_region"] = self._bucket.region
        return [f"{self._url}/{name}" for name in names], said
