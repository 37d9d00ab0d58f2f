"""Does the package show the face that it says it has?"""

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from importlib import metadata

import pytest

import foryou
from foryou.domain import errors

MODULES = [one.name for one in pkgutil.walk_packages(foryou.__path__, "foryou.") if "_pb2" not in one.name]  # generated


def test_the_version_is_a_version_and_that_of_the_package() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", foryou.__version__)
    assert metadata.version("foryou") == foryou.__version__


def test_the_errors_are_exactly_those_that_are_drawn() -> None:
    drawn = re.findall(r"^(.*?)([A-Z]\w+) {2,}\S", errors.__doc__ or "", re.MULTILINE)
    parents: list[tuple[int, str]] = []
    tree = {}
    for indent, name in drawn:
        while parents and parents[-1][0] >= len(indent):
            parents.pop()
        tree[name] = parents[-1][1] if parents else "Exception"
        parents.append((len(indent), name))
    defined = {
        name: one.__bases__[0].__name__
        for name, one in vars(errors).items()
        if inspect.isclass(one) and one.__module__ == errors.__name__
    }
    assert tree == defined


def test_every_error_says_what_it_means() -> None:
    for name, one in inspect.getmembers(errors, inspect.isclass):
        assert one.__doc__, name


def test_an_invalid_input_names_the_field_the_fault_and_the_mend() -> None:
    error = errors.Invalid("user_id", "is empty", "send one")
    assert (str(error), error.where, error.what, error.mend) == (
        "user_id: is empty; send one",
        "user_id",
        "is empty",
        "send one",
    )
    assert str(errors.Invalid("at_ms", "is odd")) == "at_ms: is odd"


@pytest.mark.parametrize("name", MODULES)
def test_the_first_line_of_a_module_is_one_sentence(name: str) -> None:
    lines = (importlib.import_module(name).__doc__ or "").splitlines()
    assert lines, "no docstring"
    assert lines[0].endswith((".", "?")), lines[0]


def test_every_public_function_and_class_says_what_it_gives() -> None:
    silent = []
    for name in MODULES:
        module = importlib.import_module(name)
        for key, one in vars(module).items():
            ours = getattr(one, "__module__", None) == name and (inspect.isclass(one) or inspect.isfunction(one))
            if ours and not key.startswith("_") and not one.__doc__:
                silent.append(f"{name}.{key}")
    assert silent == []


def test_a_serving_process_loads_nothing_of_the_training() -> None:
    program = (  # scipy does not count: numba loads it where it is installed
        "import sys, foryou.wiring.serving\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'polars' or name.startswith('foryou.train')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_starts_no_thread_and_compiles_no_kernel() -> None:
    program = (
        "import threading, foryou.serve.live, foryou.ingest.worker, foryou.wiring.pipelines, foryou.kernels as k\n"
        "print(threading.active_count(), [n for n, f in vars(k).items() if getattr(f, 'signatures', None)])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1 []"
