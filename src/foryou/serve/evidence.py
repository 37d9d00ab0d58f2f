"""What does this process know of old and new bundle while one is rolled out?"""

from statistics import median

from foryou.observe.evidence import Evidence
from foryou.serve.health import Health
from foryou.serve.live import Live


def known(live: Live) -> list[Evidence]:
    """Give what is known of the new bundle and of the old one; empty where nothing is rolled out."""
    rollout = live.rollout
    arms = [live.arm_of(version) for version in (rollout.new, rollout.old)] if rollout else []
    return [evidence(arm.version, arm.health) for arm in arms if arm]


def evidence(version: str, health: Health) -> Evidence:
    """Give what is known of a bundle in this process."""
    lasted = tuple(health.lasted)
    return Evidence(
        version, health.queries, health.rehearsed, health.overlap / max(1, health.rehearsed), health.short,
        median(lasted) if lasted else 0.0, {kind: n for kind, n in health.faults.items() if n}, dict(health.why),
    )  # fmt: skip
