"""What does a placement show? Where its items come from, who ranks them, and which rules hold."""

from typing import Annotated, Literal

from msgspec import Meta

from foryou.config.group import Group


class Boost(Group, frozen=True):
    """Something that is raised (or, below 0, lowered): `add` to the score of what `when` means."""

    when: str
    add: Annotated[float, Meta(ge=-1_000, le=1_000)]
    name: str = ""


class Pin(Group, frozen=True):
    """An item that has its place, 1 = first."""

    item: Annotated[str, Meta(min_length=1, max_length=128)]
    place: Annotated[int, Meta(ge=1, le=500)]


Ranked = Literal["auto", "prior", "blend", "mlp", "logistic", "ensemble"]
Place = Annotated[int, Meta(ge=1, le=500)]


class Placement(Group, frozen=True):
    """A place where recommendations are shown: its sources, rules and length."""

    collaborative: Annotated[int, Meta(ge=0, le=5_000, description="candidates by user vector")] = 300
    item_to_item: Annotated[int, Meta(ge=0, le=5_000, description="candidates by items of the history")] = 200
    graph: Annotated[int, Meta(ge=0, le=5_000, description="candidates by the graph filter")] = 0
    content: Annotated[int, Meta(ge=0, le=5_000, description="candidates like what was viewed, liked, searched")] = 300
    popular: Annotated[int, Meta(ge=0, le=5_000, description="candidates that trend or are popular")] = 200
    two_tower: Annotated[
        int, Meta(ge=0, le=5_000, description="candidates by the two towers; they are trained where this is above 0")
    ] = 0
    similar: Annotated[int, Meta(ge=0, le=5_000, description="candidates that go with the item of the page")] = 0
    cart: Annotated[int, Meta(ge=0, le=5_000, description="candidates that go with what is in the cart")] = 0
    new_arrivals: Annotated[int, Meta(ge=0, le=1_000, description="candidates published in the last `new_days`")] = 30
    new_days: Annotated[float, Meta(gt=0, le=90, description="days that an item is new")] = 30.0
    editorial: Annotated[int, Meta(ge=0, le=1_000, description="candidates of editorial lists")] = 20
    sponsored: Annotated[int, Meta(ge=0, le=1_000, description="candidates of sponsored lists")] = 10
    editorial_places: Annotated[
        tuple[Place, ...], Meta(max_length=50, description="places that editorial lists may take, 1 = first")
    ] = (5, 15)
    sponsored_places: Annotated[
        tuple[Place, ...], Meta(max_length=50, description="places that sponsored lists may take, 1 = first")
    ] = (3, 10)
    pins: Annotated[tuple[Pin, ...], Meta(max_length=50, description="items that have their place: item, place")] = ()
    boosts: Annotated[
        tuple[Boost, ...], Meta(max_length=50, description="what is raised: when (an expression), add, name")
    ] = ()
    filter: Annotated[str, Meta(description="an expression: what may be shown; empty = anything")] = ""
    ranker: Annotated[Ranked, Meta(description="who ranks; auto = what won on validation; prior = the sources")] = (
        "auto"
    )
    length: Annotated[int, Meta(ge=1, le=500, description="items where the caller does not say how many")] = 20
    category_cap: Annotated[int, Meta(ge=0, description="items of one first category at most; 0 = no cap")] = 5
    calibration: Annotated[
        float, Meta(ge=0, le=1, description="how far the mix of categories follows the history (0..1); 0 = not")
    ] = 0.0
    explore_share: Annotated[float, Meta(ge=0, le=1, description="share of places given to chance (0..1)")] = 0.1
    explore: Annotated[
        Literal["thompson", "random"], Meta(description="how chance is dealt: by what was learned, or evenly")
    ] = "thompson"
    new_impressions: Annotated[
        int,
        Meta(ge=0, le=1_000_000, description="times that each new item is shown, from these places; 0 = as it comes"),
    ] = 50
    pace_days: Annotated[float, Meta(gt=0, le=90, description="days over which a new item gets its impressions")] = 3.0


def placements() -> dict[str, Placement]:
    """Give the placements of a home that says nothing of its own."""
    return {
        "home": Placement(),
        "item": Placement(
            collaborative=0, item_to_item=0, content=0, similar=300, new_arrivals=0, category_cap=0, explore_share=0.0
        ),
        "cart": Placement(
            collaborative=0,
            item_to_item=0,
            content=0,
            cart=300,
            new_arrivals=0,
            length=10,
            category_cap=0,
            explore_share=0.0,
        ),
    }
