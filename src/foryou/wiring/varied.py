"""Which placements does a home serve, those of the arms of its experiments among them?"""

from contextlib import suppress

from foryou.config import Placement
from foryou.domain.errors import Invalid
from foryou.domain.experiment import NO_EXPERIMENTS
from foryou.ingest.codec import experiment_of
from foryou.serve.experiments import followed, varied
from foryou.wiring.home import Home


def served(home: Home) -> list[Placement]:
    """Give the configured placements, and those that arms of experiments which are not over make of them."""
    configured = home.config.placements
    found = list(configured.values())
    for experiment, assigned in followed(home.log, NO_EXPERIMENTS, experiment_of).open(home.clock.now_ms()):
        for name in experiment.placements or configured:
            with suppress(Invalid, KeyError):  # of other settings than those of this process
                found.append(varied(configured[name], assigned.arm))
    return found
