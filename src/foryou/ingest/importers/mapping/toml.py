"""How is a mapping written down? As TOML, table by table, short tables on one line."""

import json
import re
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WIDTH = 110


def written(tree: dict[str, Any], notes: list[str]) -> str:
    """Give the TOML of a mapping with notes as comments above it; what has to be filled in is marked TODO."""
    lines = ["# " + "".join(sign if sign.isprintable() else " " for sign in note) for note in notes]
    lines += [f"name = {_value(tree['name'])}"]
    for kind in ("items", "users", "events"):
        for table in tree.get(kind, []):
            lines += ["", f"[[{kind}]]"]
            below: list[str] = []
            for key, value in table.items():
                line = f"{_key(key)} = {_value(value)}"
                if isinstance(value, dict) and len(line) > _WIDTH:
                    below += _below(f"{kind}.{_key(key)}", value)
                else:
                    lines.append(line + ("  # TODO" if '"TODO"' in line else ""))
            lines += below
    return "\n".join(lines) + "\n"


def _below(name: str, table: dict[str, Any]) -> list[str]:
    lines = ["", f"[{name}]"]
    lines += [f"{_key(key)} = {_value(value)}" for key, value in table.items() if not isinstance(value, dict)]
    for key, value in table.items():
        if isinstance(value, dict):
            lines += _below(f"{name}.{_key(key)}", value)
    return lines


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str):
        if "\\" in value and "'" not in value and value.isprintable():
            return f"'{value}'"
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)
