"""How are several changes written where one that fails must not stop the others?"""

from collections.abc import Callable, Sequence

from foryou.domain.errors import ForyouError, Unavailable
from foryou.domain.records import Change


def tried(changes: Sequence[Change], write: Callable[[int, Change], None]) -> list[Unavailable | None]:
    """Call `write` with the place of each change and the change; gives why some could not be reached.

    Any other error of ours is raised when all have been tried, the first one.
    """
    away: list[Unavailable | None] = [None] * len(changes)
    refused: list[ForyouError] = []
    for place, change in enumerate(changes):
        try:
            write(place, change)
        except Unavailable as error:
            away[place] = error
        except ForyouError as error:
            refused.append(error)
    if refused:
        raise refused[0]
    return away
