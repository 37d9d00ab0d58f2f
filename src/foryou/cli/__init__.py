"""What can be done from the command line? Each verb loads only what it needs, so that it starts fast."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import typer

os.environ.setdefault("OPENBLAS_NUM_THREADS", str(os.cpu_count() or 1))

from foryou.cli import app, show
from foryou.domain.errors import ForyouError

VERBS = {  # module: the verbs it brings, in the order in which a newcomer meets them
    "demo": "demo",
    "simulate": "simulate",
    "learn": "import evaluate models",
    "train": "train models",
    "rollout": "models bench",
    "diff": "diff",
    "experiment": "experiment",
    "archives": "archive",
    "tuning": "tune",
    "export": "models",
    "serve": "serve",
    "run": "stream refold",
    "look": "recommend similar why-not events replay skew trace config",
    "letters": "dead-letters",
    "verify": "verify-reasons",
    "doctor": "doctor",
    "measure": "bench",
    "scale": "bench",
    "plan": "plan",
    "retrieval": "bench",
    "doors": "bench",
    "accuracy": "bench",
    "verdicts": "experiment bench",
    "exploration": "bench",
    "variants": "bench",
    "services": "services",
}


def commands(words: Sequence[str] = ()) -> typer.Typer:
    """Give the command line with the verb that the words begin with; with all verbs if they begin with none."""
    asked = next((word for word in words if not word.startswith("-")), "")
    bring = [name for name, verbs in VERBS.items() if asked in verbs.split()]
    for name in bring or VERBS:
        import_module(f"foryou.cli.{name}")
    return app.app


def main() -> None:
    """Run the command line; an error is one sentence and exit status 1, Ctrl-C is 130."""
    try:
        commands(sys.argv[1:])()
    except ForyouError as error:
        show.err.print(f"[bold red]error:[/] {show.plain(error)}", soft_wrap=True, markup=True)
        sys.exit(1)
    except KeyboardInterrupt:
        show.err.print("stopped")
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
