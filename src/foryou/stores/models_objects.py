"""Where do bundles, catalogs and releases lie? In a folder or a bucket; a half-written one is never visible.

    bundles/<version>/<attempt>/<array>.npy    other files as they are
    bundles/<version>/manifest.json            created last, and only if there is none: it makes the bundle visible
    catalogs/<version>/…                       the same
    releases/00000012.json                     created only if there is none; the highest is in force

<attempt> is a random name per call of `publish`: two that publish one version at once, or one that died and starts
again, never write into each other's files; the manifest names the files that count.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from shutil import copyfileobj
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
import numpy as np
from numpy.typing import NDArray

from foryou.domain.bundle import FORMAT, Manifest, ModelBundle
from foryou.domain.catalog import ARENAS, COLUMNS, RAGGED, Arena, Catalog
from foryou.domain.errors import Conflict, Invalid, NotFound, Refused, Unavailable
from foryou.domain.ports import Sink
from foryou.domain.ragged import Ragged
from foryou.domain.release import Release
from foryou.domain.variants import Variants
from foryou.stores.objects import STAGED, Bucket, Objects

SWEEP_S = 3_600  # what is younger may still be in the making
MANIFEST = "manifest.json"
ARRAY = ".npy"
COPY_BYTES = 1_048_576

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_RELEASE = re.compile(r"releases/(\d{8})\.json")


class _CatalogManifest(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    position: dict[int, int]
    checksums: dict[str, str]
    format: int = FORMAT


class _AnyManifest(msgspec.Struct, frozen=True):
    """What manifests of all formats have."""

    format: int
    checksums: dict[str, str]


M = TypeVar("M", Manifest, _CatalogManifest, _AnyManifest)
Arrays = Mapping[str, NDArray[np.generic]]


class ObjectModels:
    """A ModelStore under a URL; `cache` is a local folder, needed unless the URL is a local one (see Objects).

    What was loaded once through a cache can be loaded again while the store is away.
    """

    def __init__(self, url: str, cache: Path | None = None, bucket: Bucket = Bucket()) -> None:  # noqa: B008 - frozen
        self._objects = Objects(url, cache, bucket)

    def publish(self, bundle: ModelBundle) -> str:
        """Store the bundle, manifest last; gives its version. Conflict if the version exists."""
        version = bundle.manifest.version
        place = f"bundles/{_named('version', version)}"
        checksums = self._put(place, bundle.arrays, bundle.files)
        self._seal(place, msgspec.structs.replace(bundle.manifest, checksums=checksums))
        return version

    def load(self, version: str) -> ModelBundle:
        """Give a bundle with checksums verified and arrays mapped. NotFound, or Refused if it is damaged."""
        place = f"bundles/{_named('version', version)}"
        manifest = self._manifest(place, Manifest)
        paths = self._fetched(place, manifest.checksums)
        return ModelBundle(manifest, _mapped(paths), {path.name: path for path in paths if path.suffix != ARRAY})

    def versions(self) -> list[Manifest]:
        """Give the manifests of all complete bundles, oldest first."""
        names = [meta["path"] for meta in self._objects.under("bundles")]
        places = [name.removesuffix(f"/{MANIFEST}") for name in names if name.endswith(f"/{MANIFEST}")]
        manifests = [self._manifest(place, Manifest) for place in places if place.count("/") == 1]
        return sorted(manifests, key=lambda manifest: (manifest.created_ms, manifest.version))

    def publish_catalog(self, catalog: Catalog) -> str:
        """Store the catalog; gives its version. The same one again changes nothing, Conflict if it is another."""
        if catalog.new_numbers or catalog.new_titles or catalog.new_categories:
            mend = "build it from the item store before it is published"
            raise Invalid("catalog", f"{catalog.version} has changes above its mapped part", mend)
        place = f"catalogs/{_named('version', catalog.version)}"
        checksums = self._put(place, _arrays(catalog), {})
        manifest = _CatalogManifest(version=catalog.version, position=dict(catalog.position), checksums=checksums)
        try:
            self._seal(place, manifest)
        except Conflict:
            stored = self._manifest(place, _CatalogManifest)
            if (_contents(stored), stored.position) != (_contents(manifest), manifest.position):
                raise
        return catalog.version

    def load_catalog(self, version: str) -> Catalog:
        """Give a catalog, its arrays mapped. NotFound, or Refused if it is damaged."""
        place = f"catalogs/{_named('version', version)}"
        manifest = self._manifest(place, _CatalogManifest)
        arrays = _mapped(self._fetched(place, manifest.checksums))
        return _catalog(manifest.version, manifest.position, arrays)

    def release(self) -> Release | None:
        """Give the release in force; None = nothing was promoted yet."""
        generation = self._newest()
        return self._release(generation) if generation else None

    def last_release(self) -> Release | None:
        """Give the release that this machine saw last, without asking the store; None = it never saw one."""
        for name in reversed(self._objects.kept_under("releases")):
            if _RELEASE.fullmatch(name) and (body := self._objects.kept(name)):
                with suppress(msgspec.DecodeError):  # what is damaged was cut while it was copied
                    return msgspec.json.decode(body, type=Release)
        return None

    def releases(self) -> list[Release]:
        """Give all releases, oldest first."""
        return [self._release(generation) for generation in sorted(self._generations())]

    def replace_release(self, new: Release, expected: int) -> None:
        """Put `new` in force if generation `expected` still is (0 = none yet); Conflict for all racers but one."""
        if new.generation != expected + 1:
            raise Invalid("generation", f"{new.generation} does not follow {expected}", f"make it {expected + 1}")
        name, body = _release_name(new.generation), msgspec.json.encode(new)
        if self._newest() == expected and self._objects.create(name, body):
            return
        raise Conflict(
            f"release {expected} is not the one in force, which is {self._newest()} (0 = none): somebody else promoted"
            " first; look at that one and decide again"
        )

    def sweep(self, older_than_s: float = SWEEP_S) -> int:
        """Delete what no manifest names and nobody has written to for so long; gives the number of objects."""
        newest: dict[tuple[str, str], datetime] = {}
        objects = [meta for top in ("bundles", "catalogs", STAGED) for meta in self._objects.under(top)]
        for meta in objects:
            part = _part(meta["path"])
            newest[part] = max(meta["last_modified"], newest.get(part, meta["last_modified"]))
        # Manifests are looked at after the listing: what was sealed in between is kept.
        limit = datetime.now(UTC) - timedelta(seconds=older_than_s)
        stale = {part for part, at in newest.items() if at < limit and not self._counts(*part)}
        names = [meta["path"] for meta in objects if _part(meta["path"]) in stale]
        self._objects.delete(names)
        return len(names)

    def _put(self, place: str, arrays: Arrays, files: Mapping[str, Path]) -> dict[str, str]:
        """Put all files of one attempt; gives their checksums by name below the place."""
        fills = {f"{_named('array', name)}{ARRAY}": _array_fill(name, array) for name, array in arrays.items()}
        for name, path in files.items():
            if _named("file", name).endswith(ARRAY):
                raise Invalid("file", f"{name} would be read as an array", "give it to the bundle as one")
            fills[name] = partial(_fill_file, path)
        attempt = uuid4().hex[:12]
        return {
            f"{attempt}/{name}": self._objects.put(f"{place}/{attempt}/{name}", fill) for name, fill in fills.items()
        }

    def _seal(self, place: str, manifest: Manifest | _CatalogManifest) -> None:
        body = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        if not self._objects.create(f"{place}/{MANIFEST}", body):
            self._objects.delete([f"{place}/{name}" for name in manifest.checksums])
            raise Conflict(f"{place} exists already and is never overwritten; choose another version")

    def _manifest(self, place: str, kind: type[M]) -> M:
        name = f"{place}/{MANIFEST}"
        try:
            body = self._objects.get(name, place)
        except Unavailable:
            kept = self._objects.kept(name)  # it never changes, so the copy is as good
            if kept is None:
                raise
            body = kept
        try:
            stored = msgspec.json.decode(body, type=_AnyManifest)
            if stored.format != FORMAT:
                raise Refused(f"{place} has format {stored.format}, this program reads {FORMAT}; train it anew")
            manifest = msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError as error:
            raise Refused(f"{name} is damaged: {error}; publish it anew") from error
        self._objects.keep(name, body)
        return manifest

    def _fetched(self, place: str, checksums: Mapping[str, str]) -> list[Path]:
        return self._objects.fetched({f"{place}/{name}": checksum for name, checksum in checksums.items()})

    def _counts(self, place: str, attempt: str) -> bool:
        """Tell if this part of a place is its manifest or an attempt that the manifest names."""
        if place == STAGED:
            return False
        if attempt in (MANIFEST, ""):
            return True
        try:
            checksums = self._manifest(place, _AnyManifest).checksums
        except NotFound:
            return False
        except Refused:
            return True  # not understood, so not ours to delete
        return any(name.startswith(f"{attempt}/") for name in checksums)

    def _generations(self) -> list[int]:
        matches = [_RELEASE.fullmatch(meta["path"]) for meta in self._objects.under("releases")]
        return [int(match[1]) for match in matches if match]

    def _newest(self) -> int:
        return max(self._generations(), default=0)

    def _release(self, generation: int) -> Release:
        name = _release_name(generation)
        body = self._objects.get(name, f"release {generation}")
        try:
            release = msgspec.json.decode(body, type=Release)
        except msgspec.DecodeError as error:
            raise Refused(f"{name} is damaged: {error}; promote again, which replaces it") from error
        self._objects.keep(name, body)
        return release


def _named(where: str, name: str) -> str:
    """Give the name if it can be part of a path anywhere."""
    if not _NAME.fullmatch(name):
        raise Invalid(where, f"{name!r} cannot be a file's name", "use letters, digits and _ . + -")
    return name


def _release_name(generation: int) -> str:
    return f"releases/{generation:08}.json"


def _part(name: str) -> tuple[str, str]:
    """Give the place of an object and its attempt: ("bundles/v1", "0c54…"); each staged object is its own."""
    parts = name.split("/")
    if parts[0] == STAGED:
        return STAGED, name
    return "/".join(parts[:2]), parts[2] if len(parts) > 2 else ""


def _array_fill(name: str, array: NDArray[np.generic]) -> Callable[[Sink], object]:
    if array.dtype.hasobject:
        raise Invalid("array", f"{name} holds Python objects", "make it numbers or bytes")
    # Written in pieces of 16 MiB, hashed on the way: no second copy of the array, no second pass over the file.
    return lambda sink: np.lib.format.write_array(sink, array, allow_pickle=False)


def _fill_file(path: Path, sink: Sink) -> None:
    with path.open("rb") as source:
        copyfileobj(source, sink, COPY_BYTES)


def _mapped(paths: Sequence[Path]) -> dict[str, NDArray[np.generic]]:
    # Plain arrays over the mapping: np.memmap is a subclass, slower to slice and a type of its own to numba.
    return {
        path.name.removesuffix(ARRAY): np.load(path, mmap_mode="r", allow_pickle=False).view(np.ndarray)
        for path in paths
        if path.suffix == ARRAY
    }


def _contents(manifest: _CatalogManifest) -> dict[str, str]:
    return {name.split("/")[-1]: checksum for name, checksum in manifest.checksums.items()}


def _arrays(catalog: Catalog) -> Arrays:
    arrays = {name: getattr(catalog, name) for name in (*COLUMNS, "order")}
    for name in ARENAS:
        arrays |= {name: getattr(catalog, name).bytes, f"{name}_start": getattr(catalog, name).start}
    for name in RAGGED:
        arrays |= {name: getattr(catalog, name).values, f"{name}_start": getattr(catalog, name).start}
    if catalog.variants:
        said = catalog.variants.said
        arrays |= {"varied": catalog.variants.number, "variants": said.values, "variants_start": said.start}
    return arrays


def _catalog(version: str, position: dict[int, int], arrays: Mapping[str, Any]) -> Catalog:
    wanted = {*ARENAS, *RAGGED, *(f"{name}_start" for name in (*ARENAS, *RAGGED)), *COLUMNS, "order"}
    if missing := sorted(wanted - arrays.keys()):
        raise Refused(
            f"catalog {version} was written by another release of foryou, it has no {', '.join(missing)}; "
            "train again with `foryou train`"
        )
    parts: dict[str, Any] = {name: Arena(arrays[name], arrays[f"{name}_start"]) for name in ARENAS}
    parts |= {name: Ragged(arrays[f"{name}_start"], arrays[name]) for name in RAGGED}
    parts |= {name: arrays[name] for name in (*COLUMNS, "order")}
    if "varied" in arrays:
        parts["variants"] = Variants(arrays["varied"], Ragged(arrays["variants_start"], arrays["variants"]))
    return Catalog(version=version, position=position, **parts)
