"""What can be done from the command line? Every verb, in the order in which a newcomer meets them."""

import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", str(os.cpu_count() or 1))

from foryou.cli import (
    accuracy,
    archives,
    demo,
    diff,
    doctor,
    doors,
    experiment,
    exploration,
    export,
    learn,
    letters,
    look,
    measure,
    plan,
    retrieval,
    rollout,
    run,
    scale,
    services,
    show,
    simulate,
    train,
    tuning,
    variants,
    verdicts,
    verify,
)
from foryou.cli.app import app
from foryou.domain.errors import ForyouError

__all__ = ["app", "main"]

COMMANDS = (
    demo, simulate, learn, train, rollout, diff, experiment, archives, tuning, export, run, look, letters, verify,
    doctor, measure, scale, plan, retrieval, doors, accuracy, verdicts, exploration, variants, services,
)  # fmt: skip


def main() -> None:
    """Run the command line; an error is one sentence and exit status 1, Ctrl-C is 130."""
    try:
        app()
    except ForyouError as error:
        show.err.print(f"[bold red]error:[/] {show.plain(error)}", soft_wrap=True, markup=True)
        sys.exit(1)
    except KeyboardInterrupt:
        show.err.print("stopped")
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
