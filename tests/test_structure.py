"""The house: imports run downwards, and nothing that trains imports what stands beside it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'deeprank_plugin'
FLOORS = ('layouts', 'utils', 'datasets', 'models', 'evaluation', 'engine', 'apis')
BESIDE = ('converters', 'visualization', 'command_line')
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob('*.py'))


def room(path: Path) -> str:
    """The first part of a module's name below the package."""
    return path.parts[0].removesuffix('.py')


def imported_rooms(path: Path) -> set:
    """Rooms of the package that a module imports, inside functions as well."""
    package = ['deeprank_plugin', *path.parent.parts]
    found = set()
    for node in ast.walk(ast.parse((PACKAGE / path).read_text(encoding='utf-8'))):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = '.'.join([*base, *filter(None, [node.module])])
            names = [f'{module}.{alias.name}' for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split('.')
            if parts[0] == 'deeprank_plugin' and len(parts) > 1:
                found.add(parts[1])
    return found


@pytest.mark.parametrize('path', [p for p in MODULES if room(p) in FLOORS], ids=str)
def test_no_import_runs_upwards(path):
    own = FLOORS.index(room(path))
    found = imported_rooms(path)
    above = [name for name in found if name in FLOORS and FLOORS.index(name) > own]
    assert not above, f'{path} imports {above}, which lie above {room(path)}'


@pytest.mark.parametrize('path', [p for p in MODULES if room(p) in FLOORS[:-1]], ids=str)
def test_nothing_that_trains_imports_what_stands_beside(path):
    assert not imported_rooms(path) & set(BESIDE)


def test_every_module_has_a_room():
    known = {*FLOORS, *BESIDE, 'compat', 'version', '__init__'}
    assert {room(path) for path in MODULES} <= known


def test_no_file_is_long():
    long = {str(p): len((PACKAGE / p).read_text(encoding='utf-8').splitlines()) for p in MODULES}
    assert not {name: lines for name, lines in long.items() if lines > 400}


def test_configs_are_few():
    assert len(list((ROOT / 'configs').rglob('*.py'))) <= 95
