"""What do the tests of monitoring share? The programs of Debian, and what stands in deploy/."""

import importlib
import sys
import warnings
from pathlib import Path
from types import ModuleType

from foryou.domain.errors import Unavailable
from foryou.services.install import program
from servers import absent

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
PLACE = DEPLOY / "prometheus"


def tool(name: str, package: str) -> str:
    """Give the path of a program, installed where that can be done; else the test is skipped, or fails."""
    try:
        return program(name, package, lambda _: None)
    except Unavailable as error:
        absent(str(error))


def deployed(name: str) -> ModuleType:
    """Give a module of deploy/."""
    if name not in sys.modules:
        sys.path.insert(0, str(DEPLOY))
        try:
            with warnings.catch_warnings():  # the SDK says that Grafana 13 will like another schema better
                warnings.simplefilter("ignore", DeprecationWarning)
                importlib.import_module(name)
        finally:
            sys.path.remove(str(DEPLOY))
    return sys.modules[name]
