"""How much does an item appeal to a visitor at that moment? The truth that a recommender has to find out."""

import numpy as np
from numpy.typing import NDArray

from foryou.domain.clock import HOUR_MS
from foryou.simulate.goods import STYLE
from foryou.simulate.market import EXAMINATION, Market, Visits


def examined(places: int) -> NDArray[np.float64]:
    """Give the chance that a visitor looks at each place of a list: (1 + place)^-η.  float64 [places]"""
    return np.asarray((1.0 + np.arange(places)) ** -EXAMINATION)


def appeal(market: Market, visits: Visits, item: NDArray[np.integer], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Give the chance that an item is clicked by the visitor who looks at it.  item [V, k] numbers -> float64 [V, k]

    `known` bool [V, k]: the visitor has clicked the item before. Places with -1 for an item mean nothing.
    """
    return sigmoid(log_odds(market, visits, item, known) + market.goods.bait[item])


def sigmoid(odds: NDArray[np.floating]) -> NDArray[np.float64]:
    """Give the chance of log odds."""
    return np.asarray(1 / (1 + np.exp(-np.asarray(odds, np.float64))))


def log_odds(
    market: Market, visits: Visits, item: NDArray[np.integer], known: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Give the log odds that the visitor wants the item, whatever it promises.  float64 [V, k]"""
    weight, goods = market.weights, market.goods
    user, at_ms = visits.user[:, None], visits.at_ms[:, None]
    first, second = goods.category[item, 0], goods.category[item, 1]
    found = weight.base + market.taste(user, first, at_ms) + weight.second * market.taste(user, second, at_ms)
    found += market.season(first, at_ms) + weight.device * market.on_device[first, visits.device[:, None]]
    found += _matches(market, visits, item) + _price(market, user, item)
    found += (
        weight.style / np.sqrt(STYLE) * np.einsum("vks,vs->vk", goods.style[item], market.people.style[visits.user])
    )
    found += weight.quality * goods.quality[item] + weight.known * known
    hour = visits.at_ms // HOUR_MS
    for one in np.unique(hour):
        rows = hour == one
        found[rows] += market.heat(int(one))[item[rows]]
    return found


def _matches(market: Market, visits: Visits, item: NDArray[np.integer]) -> NDArray[np.float64]:
    """Give what is added where topic, brand, intent, search and region fit."""
    weight, goods, user = market.weights, market.goods, visits.user[:, None]
    first = goods.category[item, 0]
    meant = first == visits.intent[:, None]
    found = weight.topic * (goods.topic[item] == market.liked_topic(user, first))
    found += weight.brand * (goods.brand[item][..., None] == market.people.brand[user]).any(axis=-1)
    found += weight.intent * meant
    found += weight.search * (meant & (goods.topic[item] == visits.topic[:, None]))
    region = goods.region[item]
    found += np.where(region == visits.region[:, None], weight.region, np.where(region >= 0, weight.elsewhere, 0))
    return np.asarray(found)


def _price(market: Market, user: NDArray[np.integer], item: NDArray[np.integer]) -> NDArray[np.float64]:
    who = market.people
    far = (market.goods.level[item] - who.level[user]) ** 2
    return np.asarray(-np.minimum(3.0, market.weights.price * who.budget[user] * far), np.float64)
