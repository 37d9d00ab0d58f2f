"""What may stand in no file? Secrets, read from the environment alone."""

import os
from collections.abc import Mapping

from foryou.domain.errors import Invalid

CURSOR_SECRET = "FORYOU_CURSOR_SECRET"
ADMIN_KEY = "FORYOU_ADMIN_KEY"
SECRET_CHARS = 16


def admin_key(environment: Mapping[str, str] | None = None) -> str:
    """Give the key of who may steer, "" = nobody may over the network: a variable, so that no setting shows it.

    Raises Invalid where it could be guessed.
    """
    return _secret(ADMIN_KEY, environment)


def cursor_secret(environment: Mapping[str, str] | None = None) -> str:
    """Give the secret that signs cursors, "" = the home makes its own: a variable, so that no setting shows it.

    Raises Invalid where it could be guessed.
    """
    return _secret(CURSOR_SECRET, environment)


def _secret(name: str, environment: Mapping[str, str] | None) -> str:
    said = (os.environ if environment is None else environment).get(name, "")
    if 0 < len(said) < SECRET_CHARS:
        raise Invalid(name, f"has {len(said)} characters", f"use {SECRET_CHARS} random ones or more")
    return said


def redis_password(environment: Mapping[str, str] | None = None) -> str:
    """Give the password of Redis, "" = none: a variable, as redis-cli has it, so that no setting shows it."""
    return (os.environ if environment is None else environment).get("REDISCLI_AUTH", "")
