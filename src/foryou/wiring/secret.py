"""With what are cursors signed? A secret from the environment, or one that the home makes for itself and keeps."""

import os
import secrets
from pathlib import Path
from uuid import uuid4

from foryou import config

FILE = "cursor.key"
BYTES = 32


def cursor_secret(home: Path) -> bytes:
    """Give the secret. Of processes that start at once on a new home, all have the same. Raises Invalid if too short.

    Servers that answer for one another, each on a home of its own, need the variable.
    """
    if said := config.cursor_secret():
        return said.encode()
    path = home / FILE
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        made = path.with_name(f"{FILE}.{uuid4().hex}")
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(made, path)  # whoever is first; the others read it
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return path.read_bytes()
