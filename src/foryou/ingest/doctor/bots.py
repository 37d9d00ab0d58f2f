"""Which users are machines? Too fast, too regular, or busy with a single item."""

from foryou.domain.event import Action
from foryou.features.behaviour import Behaviour
from foryou.ingest.doctor.finding import EXAMPLES, Batch, Finding, Scope, Severity, share

MANY = 0.2  # of all events: from here it is an error


class Bots:
    """Users whom no human could be. Memory goes with the users of one partition."""

    def __init__(self, _scope: Scope) -> None:
        self._users: dict[str, Behaviour] = {}
        self._partition = -1
        self._bots = self._events = self._of = 0
        self._examples: list[str] = []

    def see(self, batch: Batch) -> None:
        """Follow each user; what was only shown to him is no action."""
        if batch.partition != self._partition:
            self._judge()
            self._partition = batch.partition
        for event in batch.events:
            if event.action is not Action.IMPRESSION:
                self._of += 1
                user = self._users.get(event.user_id)
                if user is None:
                    user = self._users[event.user_id] = Behaviour()
                user.act(event.at_ms, event.item_id)

    def _judge(self) -> None:
        for name, user in self._users.items():
            if why := user.verdict()[1]:
                self._bots += 1
                self._events += user.count
                if len(self._examples) < EXAMPLES:
                    self._examples.append(f"user {name}: {why}")
        self._users = {}

    def findings(self) -> list[Finding]:
        """Say who."""
        self._judge()
        if not self._bots:
            return []
        bad = share(self._events, self._of) > MANY
        return [Finding(
            "bots", Severity.ERROR if bad else Severity.WARNING, self._events, self._of,
            f"actions come from {self._bots:,} users who act like machines", tuple(self._examples),
            "leave them out (skip in a mapping; DELETE /v1/users/{user_id} for those in the log), and let the site tell"
            " crawlers and tests from people",
        )]  # fmt: skip
