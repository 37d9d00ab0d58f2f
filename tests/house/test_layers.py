"""Does every import go down the drawing of docs/architecture.md, and does each outside library stay where it belongs?

cli > bench > wiring > api > train, ingest, serve, trial > features, models, stores, observe, simulate, services,
    config > domain > kernels;  parts of one row do not know each other.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "foryou"
ROWS = (
    {"kernels", "v1"}, {"domain"}, {"features", "models", "stores", "observe", "simulate", "services", "config"},
    {"train", "ingest", "serve", "trial"}, {"api"}, {"wiring"}, {"bench"}, {"cli"},
)  # fmt: skip
HEIGHT = {part: height for height, row in enumerate(ROWS) for part in row}

ONLY_IN = {
    "scipy": ("train",), "polars": ("train", "ingest", "bench"), "sqlite3": ("stores",), "obstore": ("stores",),
    "redis": ("stores",), "hiredis": ("stores",), "faiss": ("models",),
    "asyncio": ("api", "bench"), "litestar": ("api", "wiring"), "granian": ("wiring",), "typer": ("cli",),
    "rich": ("cli",), "tomllib": ("config", "ingest"), "torch": ("train",), "lightgbm": ("bench",),
    "pyspark": ("train",), "pyarrow": ("train",), "mlflow": ("train",), "implicit": ("bench",),
    "threadpoolctl": ("bench",),
    "psutil": ("services",), "filelock": ("services",), "confluent_kafka": ("stores", "services"),
    "optuna": ("train",), "grpc": ("api", "v1"), "grpc_health": ("api",), "grpc_reflection": ("api",),
    "opentelemetry": ("observe",),
}  # fmt: skip
HOT = ("serve", "models")  # what a serving process loads
HOT_LIBRARIES = {"numpy", "numba", "faiss"}
LAZY = ("wiring", "cli")  # may import inside a function: optional parts, and a command line that starts fast
OPTIONAL = {  # heavy libraries: imported by the one function that needs them
    "torch": "train", "lightgbm": "bench", "optuna": "train", "implicit": "bench", "threadpoolctl": "bench",
}  # fmt: skip


def modules() -> list[Path]:
    return sorted(path for path in SOURCE.rglob("*.py") if "__pycache__" not in path.parts and "_pb2" not in path.name)


def part_of(path: Path) -> str:
    """Give the part that a file belongs to: the first name below `foryou`."""
    inside = path.relative_to(SOURCE)
    return inside.parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[tuple[ast.stmt, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node, name.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where they go"
            if node.module == "foryou":
                yield from ((node, f"foryou.{name.name}") for name in node.names)
            else:
                yield node, node.module or ""


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def lines() -> list[tuple[Path, ast.stmt, str]]:
    """Give every import: the file, the place, what is imported."""
    return [(path, node, name) for path in modules() for node, name in imported(tree_of(path))]


def inside() -> Iterator[tuple[str, str, str]]:
    """Give (importing part, imported part, where) for imports within foryou."""
    for path, node, name in lines():
        if name.startswith("foryou.") and part_of(path) != "__init__":
            yield part_of(path), name.split(".")[1], f"{path.relative_to(SOURCE)}:{node.lineno} imports {name}"


def goes_down(upper: str, lower: str) -> bool:
    return upper == lower or lower == "__version__" or HEIGHT[upper] > HEIGHT[lower]


def test_every_part_is_in_the_drawing() -> None:
    assert {part_of(path) for path in modules()} - {"__init__"} <= set(HEIGHT)


def test_imports_go_down_only() -> None:
    assert [where for upper, lower, where in inside() if not goes_down(upper, lower)] == []


def test_the_drawing_is_the_one_in_the_documents() -> None:
    text = (SOURCE.parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = text.split("## Layers")[1].split("```")[1].strip().splitlines()
    assert [set(line.split("  ")[0].split(" · ")) for line in drawn] == [set(row) for row in reversed(ROWS)]


def test_there_are_no_circles_between_modules() -> None:
    graph: dict[str, set[str]] = {}
    names = {
        ".".join(("foryou", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__"): path
        for path in modules()
    }
    for name, path in names.items():
        graph[name] = set()
        for node in tree_of(path).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("foryou"):
                for one in node.names:
                    full = f"{node.module}.{one.name}"
                    graph[name].add(full if full in names else str(node.module))
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " > ".join((*way, name))
        if name not in done:
            for other in graph.get(name, set()) - {name}:
                visit(other, (*way, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_nothing_is_imported_inside_a_function_to_dodge_the_drawing() -> None:
    hidden = []
    for path in modules():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                hidden += [
                    f"{path.relative_to(SOURCE)}:{one.lineno}"
                    for one, name in imported(node)
                    if OPTIONAL.get(name) != part_of(path)
                ]
    assert [where for where in hidden if where.split("/")[0] not in LAZY] == []


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_imported_where_it_belongs_and_nowhere_else(library: str) -> None:
    elsewhere = [
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path, node, name in lines()
        if name.split(".")[0] == library and part_of(path) not in ONLY_IN[library]
    ]
    assert elsewhere == []


def test_in_the_wiring_only_the_serving_processes_know_the_web_server() -> None:
    web = {"asyncio", "litestar", "granian"}
    files = {path.name for path, _, name in lines() if part_of(path) == "wiring" and name.split(".")[0] in web}
    assert files <= {"serving.py"}


def test_what_serves_needs_only_numpy_numba_and_the_index() -> None:
    other = [
        f"{path.relative_to(SOURCE)}:{node.lineno} imports {name}"
        for path, node, name in lines()
        if part_of(path) in HOT and name.split(".")[0] not in HOT_LIBRARIES | {"foryou"} | set(sys.stdlib_module_names)
    ]
    assert other == []


def test_the_pipeline_knows_only_the_domain() -> None:
    known = {
        name.split(".")[1]
        for path, _, name in lines()
        if path == SOURCE / "serve" / "pipeline.py" and name.startswith("foryou.")
    }
    assert known == {"domain"}


def test_a_kernel_calls_only_kernels_of_its_own_file() -> None:
    """Else numba would keep serving what it compiled from the file that has changed."""
    others = [
        f"{path.relative_to(SOURCE)}:{node.lineno} imports {name}"
        for path, node, name in lines()
        if part_of(path) == "kernels" and path.stem != "__init__" and name.startswith("foryou.")
        if name != "foryou.kernels.arrays"
    ]
    assert others == []


def test_no_module_is_named_after_nothing() -> None:
    vague = {"utils", "common", "helpers", "base", "types", "manager"}
    assert [path.name for path in modules() if path.stem in vague] == []
