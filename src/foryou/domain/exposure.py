"""What was shown, to whom, and why? Enough to reproduce the answer bit for bit."""

import msgspec


class Exposure(msgspec.Struct, frozen=True, array_like=True):
    """One answer, as it lies in the stream `exposures`. Evolves by appending fields with defaults.

    `offset` is the user's place in `events` that was read, `trending` and `catalog` the positions that the
    counters and the item columns had, `lists` that of the lists; `propensities` is the chance that the item had of its
    place (1 = certain). `places`: for the user, and those who became this user, the places in `events`, `exposures` and
    `users` that were read (`knew` in records of release 0.1: in `events` only). `session_id` and what follows: as the
    query said. `inputs`: what the ranker saw of the items, float32 [items, F], in the order of the schema, where
    it was logged (`serve.log_inputs_share`); `schema` its fingerprint. `fed`: what the feed had shown before, as in
    `Query`; `row`: the row of a page, "" = a list of its own. `experiment`, `arm`: which one answered, empty and `main`
    outside of experiments; `experiments` the position that those had. `expected`: the chance of a click that the ranker
    saw for each item, float16, empty = it cannot tell; `tallied`: the positions of `events` and `exposures` that the
    tallies had, and the time that they were made for, 0 = none. `variants`: how each item was shown, "" = as it is;
    `variant_propensities`: the chance of that; both empty where no item has variants. `teams`: whose pick each
    item was in an experiment that interleaves, 0 or 1, -1 = neither's; then `arm` names both, `first/second`.
    """

    recommendation_id: str
    user_id: str
    now_ms: int
    placement: str
    arm: str
    bundle: str
    seed: int
    offset: int
    items: tuple[str, ...]
    scores: tuple[float, ...]
    sources: tuple[str, ...]
    propensities: tuple[float, ...]
    degraded: tuple[str, ...] = ()
    trending: dict[int, int] = {}
    trending_ms: int = 0
    catalog: dict[int, int] = {}
    anchor: str = ""
    exclude: tuple[str, ...] = ()
    num_results: int = 0
    knew: dict[str, int] = {}
    places: dict[str, tuple[int, int, int]] = {}
    session_id: str = ""
    search: str = ""
    category: str = ""
    device: str = ""
    location: str = ""
    lists: dict[int, int] = {}
    filter: str = ""
    inputs: bytes = b""
    schema: str = ""
    fed: bytes = b""
    row: str = ""
    experiment: str = ""
    experiments: dict[int, int] = {}
    expected: bytes = b""
    tallied: tuple[dict[int, int], dict[int, int], int] = ({}, {}, 0)
    variants: tuple[str, ...] = ()
    variant_propensities: tuple[float, ...] = ()
    teams: tuple[int, ...] = ()
