"""What does an error look like?"""

import msgspec


class ProblemPart(msgspec.Struct):
    """One thing that is wrong, and where."""

    pointer: str
    code: str
    detail: str


class Problem(msgspec.Struct):
    """An error as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[ProblemPart] = []
