"""What is a group of settings? Named values with bounds; an unknown name is an error."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A branch of the tree."""


Share = Annotated[float, Meta(ge=0, le=1)]
