"""Which mappings come with foryou? One TOML file each; a mapping is named by path, or one of these by name."""

from importlib.resources import files
from pathlib import Path

from foryou.domain.errors import Invalid, Unavailable
from foryou.ingest.importers.mapping.parse import MAX_CHARS, parse
from foryou.ingest.importers.mapping.schema import Mapping

_PACKAGE = "foryou.ingest.importers"
_FOLDER = "shipped"


def shipped() -> dict[str, str]:
    """Give the text of every mapping that comes with foryou, by name."""
    folder = files(_PACKAGE).joinpath(_FOLDER)
    found = {one.name.removesuffix(".toml"): one for one in folder.iterdir() if one.name.endswith(".toml")}
    return {name: found[name].read_text(encoding="utf-8") for name in sorted(found)}


def named(what: str) -> Mapping:
    """Give the mapping in a file, else the shipped one of that name. Raises Invalid if it is neither or wrong."""
    path = Path(what)
    known = shipped()
    if what in known and not path.is_file():
        return parse(known[what], f"{what}.toml", what)
    if not path.is_file():
        raise Invalid(
            what, "is no file, and no mapping of that name comes with foryou", f"there are {', '.join(known)}"
        )
    try:
        if (size := path.stat().st_size) > 4 * MAX_CHARS:
            raise Invalid(what, f"has {size:,} bytes, more than {4 * MAX_CHARS:,}", "a mapping is a short file")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid(what, f"is not UTF-8 ({error.reason})", "save it as UTF-8") from None
    except OSError as error:
        raise Unavailable(f"{what} cannot be read ({error.strerror}); see that it is there and readable") from error
    return parse(text, path.name, path.stem[:64] or "mapping")
