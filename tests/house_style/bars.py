"""The bars that the shape of the source is held to, and who falls short of each."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.house_style.metrics import FunctionShape, ModuleShape, at_share

Modules = Sequence[ModuleShape]

MEDIAN_FUNCTION = 8
LONG_FUNCTION = 25
LONGEST_FUNCTION = 60
MEDIAN_FILE = 150
LONGEST_FILE = 400
LONGEST_TOOL = 250
"""A tool reads as one screen or three: what it knows of its area belongs into areas/."""
COMPLEX_FUNCTION = 5
MOST_COMPLEX_FUNCTION = 12
PUBLIC_DOCUMENTED = 0.95
PRAGMAS_PER_1000_LINES = 3
BROAD_EXCEPT_ALLOWED = ("server/", "__main__.py", "guard/program.py", "settings/keychain.py")
"""The rims: what a client called, what an operation runs (it must end, not hang), and the key store's plug-ins."""
PRINT_ALLOWED = ("cli/", "cli.py")


@dataclass(frozen=True)
class Bar:
    """One bar: `offences` returns a sentence for each way in which the modules fall short, none when they pass."""

    name: str
    offences: Callable[[Modules], list[str]]


def functions(modules: Modules) -> list[FunctionShape]:
    """Return every function of the modules."""
    return [function for module in modules for function in module.functions]


def _over(what: str, measured: float, limit: float) -> list[str]:
    return [f"{what} is {measured:g}; the bar is {limit:g}"] if measured > limit else []


def _median_function(modules: Modules) -> list[str]:
    lengths = [function.lines for function in functions(modules)]
    return _over("the median function", statistics.median(lengths or [0]), MEDIAN_FUNCTION)


def _long_functions(modules: Modules) -> list[str]:
    return _over("nine functions of ten", at_share([f.lines for f in functions(modules)], 0.9), LONG_FUNCTION)


def _longest_function(modules: Modules) -> list[str]:
    return [f"{f.where} has {f.lines} lines" for f in functions(modules) if f.lines > LONGEST_FUNCTION]


def _median_file(modules: Modules) -> list[str]:
    return _over("the median file", statistics.median([m.lines for m in modules] or [0]), MEDIAN_FILE)


def _longest_file(modules: Modules) -> list[str]:
    return [f"{module.path} has {module.lines} lines" for module in modules if module.lines > LONGEST_FILE]


def _longest_tool(modules: Modules) -> list[str]:
    tools = [module for module in modules if module.path.startswith("tools/")]
    return [f"{module.path} has {module.lines} lines" for module in tools if module.lines > LONGEST_TOOL]


def _complex_functions(modules: Modules) -> list[str]:
    return _over("nine functions of ten", at_share([f.complexity for f in functions(modules)], 0.9), COMPLEX_FUNCTION)


def _most_complex_function(modules: Modules) -> list[str]:
    worst = [function for function in functions(modules) if function.complexity > MOST_COMPLEX_FUNCTION]
    return [f"{function.where} has complexity {function.complexity}" for function in worst]


def _untyped(modules: Modules) -> list[str]:
    return [f"{function.where} is not fully typed" for function in functions(modules) if not function.typed]


def _undocumented_functions(modules: Modules) -> list[str]:
    public = [function for function in functions(modules) if function.public]
    silent = [f"{function.where} has no docstring" for function in public if not function.documented]
    return silent if len(silent) > (1 - PUBLIC_DOCUMENTED) * len(public) else []


def _undocumented_modules(modules: Modules) -> list[str]:
    return [f"{module.path} has no docstring" for module in modules if not module.documented and module.lines]


def _pragmas(modules: Modules) -> list[str]:
    found = [f"{module.path}:{line} has a pragma" for module in modules for line in module.pragmas]
    code_lines = sum(module.code_lines for module in modules)
    return found if len(found) * 1000 > PRAGMAS_PER_1000_LINES * code_lines else []


def _broad_excepts(modules: Modules) -> list[str]:
    inside = [module for module in modules if not module.path.startswith(BROAD_EXCEPT_ALLOWED)]
    return [f"{m.path}:{line} catches everything" for m in inside for line in m.broad_excepts]


def _prints(modules: Modules) -> list[str]:
    silent = [module for module in modules if not module.path.startswith(PRINT_ALLOWED)]
    return [f"{module.path}:{line} prints" for module in silent for line in module.prints]


BARS = (
    Bar("the median function is short", _median_function),
    Bar("nine functions of ten are short", _long_functions),
    Bar("no function is long", _longest_function),
    Bar("the median file is short", _median_file),
    Bar("no file is long", _longest_file),
    Bar("no tool is long", _longest_tool),
    Bar("nine functions of ten are simple", _complex_functions),
    Bar("no function is complex", _most_complex_function),
    Bar("every function is typed", _untyped),
    Bar("public functions are documented", _undocumented_functions),
    Bar("every module says what it owns", _undocumented_modules),
    Bar("pragmas are rare", _pragmas),
    Bar("errors are not caught wholesale", _broad_excepts),
    Bar("only the command line prints", _prints),
)
