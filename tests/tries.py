"""How many examples does a property test try? As many as it says, and in the long form 20 times as many."""

from typing import Any

from hypothesis import settings

settings.register_profile("short", max_examples=100, derandomize=True, deadline=None, database=None)
settings.register_profile("long", max_examples=2_000, deadline=None, database=None, print_blob=True)
settings.load_profile("short")


def tries(usual: int, **more: Any) -> settings:
    """Give settings with the usual number of examples; `--hypothesis-profile long` makes it more, each run others."""
    return settings(max_examples=usual * settings.default.max_examples // 100, **more)
