"""What does the console show of models and releases?"""

import msgspec


class ConsoleShare(msgspec.Struct):
    """A version that serves, and to which share of the users."""

    version: str
    share: float


class ConsoleBundle(msgspec.Struct):
    """A bundle: when it was made, what the gate said of it, its figures, and whether there is a page about it."""

    version: str
    created_ms: int
    verdict: str
    verdict_reason: str
    ranker: str
    report: dict[str, float]
    has_report: bool


class Console(msgspec.Struct):
    """The release in force, the newest bundles, and what is wrong with them."""

    generation: int
    reason: str
    families: dict[str, list[ConsoleShare]]
    items: int
    bundles: list[ConsoleBundle]
    refused: dict[str, str]
    away: str
