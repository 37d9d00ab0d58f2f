"""Does the log speak of things that nobody has described? Unknown items, missing profiles, unreadable records."""

import numpy as np

from foryou.domain.event import ABOUT_ITEMS, ACTIONS
from foryou.ingest.doctor.finding import EXAMPLES, Batch, Finding, Hits, Scope, Severity, share

MANY = 0.05  # of the events on items the catalog does not know: from here it is an error
_ABOUT = np.array([action in ABOUT_ITEMS for action in ACTIONS])


class Damaged:
    """Records that cannot be read as events."""

    def __init__(self, _scope: Scope) -> None:
        self._found: list[str] = []
        self._count = self._events = 0

    def see(self, batch: Batch) -> None:
        """Count them."""
        self._count += len(batch.damaged)
        self._events += len(batch.events) + len(batch.damaged)
        self._found += batch.damaged[: EXAMPLES - len(self._found)]

    def findings(self) -> list[Finding]:
        """Say how many."""
        if not self._count:
            return []
        return [Finding(
            "damaged records", Severity.ERROR, self._count, self._events, "records cannot be read as events",
            tuple(self._found), "restore the log from a copy, or read it with the release that wrote it; they are"
            " passed over until then",
        )]  # fmt: skip


class Orphans:
    """Events on items that the catalog does not know: they teach nothing, as nobody can recommend the item."""

    def __init__(self, scope: Scope) -> None:
        self._items, self._hits, self._of = len(scope.item), Hits(), 0

    def see(self, batch: Batch) -> None:
        """Look each item up."""
        about = _ABOUT[batch.columns.action]
        self._of += int(about.sum())
        self._hits.note(batch, about & (batch.place < 0))

    def findings(self) -> list[Finding]:
        """Say how many events and what to send."""
        if not self._hits.count:
            return []
        bad = share(self._hits.count, self._of) > MANY
        what = "events are about items that the catalog does not know"
        if not self._items:
            what = "events are about items, and the catalog is empty: nothing can be recommended"
        return [Finding(
            "orphan events", Severity.ERROR if bad else Severity.WARNING, self._hits.count, self._of, what,
            tuple(self._hits.examples), "send the items (PUT /v1/items/{item_id}, or [[items]] in the mapping of an"
            " import), or see that events and items have the same ids, prefixes and spelling",
        )]  # fmt: skip


class Profiles:
    """Profiles and events that do not meet: often two spellings of one user's id."""

    def __init__(self, scope: Scope) -> None:
        self._profile = scope.profile
        self._met = np.zeros(len(scope.profile), np.bool_)
        self._hits, self._of = Hits(), 0

    def see(self, batch: Batch) -> None:
        """Look each user up."""
        if not len(self._profile):
            return
        user = batch.columns.user
        place = np.minimum(np.searchsorted(self._profile, user), len(self._profile) - 1)
        known = self._profile[place] == user
        self._met[place[known]] = True
        self._of += len(user)
        self._hits.note(batch, ~known)

    def findings(self) -> list[Finding]:
        """Say so if no profile at all meets an event, or many events have no profile."""
        if not self._of:
            return []
        met = int(self._met.sum())
        mend = "see that profiles and events spell user_id in the same way; profiles of future users are fine"
        if not met:
            return [Finding(
                "profiles", Severity.ERROR, len(self._profile), len(self._profile),
                "profiles, and none of them belongs to a user with events", tuple(self._hits.examples), mend,
            )]  # fmt: skip
        if share(self._hits.count, self._of) > 0.5:
            what = "events are of users without a profile"
            return [Finding(
                "profiles", Severity.NOTE, self._hits.count, self._of, what, tuple(self._hits.examples), mend
            )]  # fmt: skip
        return []
