"""Which services are there? Another one is a line here."""

from foryou.domain.errors import NotFound
from foryou.services.alertmanager import ALERTMANAGER
from foryou.services.kafka import KAFKA
from foryou.services.prometheus import PROMETHEUS
from foryou.services.redis import REDIS
from foryou.services.redis_cluster import REDIS_CLUSTER
from foryou.services.s3 import S3
from foryou.services.service import Service

SERVICES = {
    REDIS.name: REDIS,
    REDIS_CLUSTER.name: REDIS_CLUSTER,
    KAFKA.name: KAFKA,
    S3.name: S3,
    PROMETHEUS.name: PROMETHEUS,
    ALERTMANAGER.name: ALERTMANAGER,
}


def named(name: str) -> Service:
    """Give a service by its name. Raises NotFound with those that there are."""
    if name not in SERVICES:
        raise NotFound(f"There is no service {name!r}; there are {', '.join(SERVICES)}")
    return SERVICES[name]
