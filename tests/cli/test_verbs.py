"""Does each verb of the command line come from the modules that are loaded for it?"""

import pkgutil
from collections import defaultdict
from importlib import import_module

from foryou import cli


def test_each_verb_is_brought_by_the_modules_that_are_said_to_bring_it() -> None:
    for one in pkgutil.iter_modules(cli.__path__):  # also those that nobody has listed
        import_module(f"foryou.cli.{one.name}")
    whole, found = cli.commands(), defaultdict[str, set[str]](set)
    groups = {"": whole} | {str(group.name): group.typer_instance for group in whole.registered_groups}
    for name, group in groups.items():
        for command in group.registered_commands if group else ():
            assert command.callback
            verb = name or command.name or command.callback.__name__.replace("_", "-")
            found[command.callback.__module__.rpartition(".")[2]].add(verb)
    assert found == {module: set(verbs.split()) for module, verbs in cli.VERBS.items()}
