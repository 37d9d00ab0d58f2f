"""Do more events than are held come out in order, equal ones as they came in?"""

from hypothesis import given
from hypothesis import strategies as st

from foryou.domain.event import Action, Event
from foryou.ingest.importers.sorting import Sorted


@given(st.lists(st.integers(0, 9)), st.integers(1, 5))
def test_events_come_out_as_a_stable_sort_would_have_them(times: list[int], held: int) -> None:
    events = [Event(str(n), "u", Action.VIEW, at, context={"a": "b"}) for n, at in enumerate(times)]
    with Sorted(lambda event: event.at_ms, held) as sorted_:
        for event in events:
            sorted_.add(event)
        assert len(sorted_) == len(events)
        assert list(sorted_) == sorted(events, key=lambda event: event.at_ms)
