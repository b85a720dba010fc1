"""Imports run downwards: a floor of the package imports from itself and from those below."""

import ast
from pathlib import Path

import pytest

import deeprank_plugin

PACKAGE = Path(deeprank_plugin.__file__).parent
FLOORS = [{'layouts', 'utils'}, {'datasets'}, {'models'}, {'evaluation'}, {'engine'}, {'apis'}]
BESIDE = {'converters', 'visualization', 'command_line'}  # imported by nothing that trains


def imported_rooms(path):
    """Rooms of the package that a file imports, wherever in the file."""
    package = ('deeprank_plugin', *path.relative_to(PACKAGE).parts[:-1])
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found = [alias.name.split('.') for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            module = base + (node.module.split('.') if node.module else [])
            found = [[*module, alias.name] for alias in node.names]
        else:
            continue
        rooms |= {parts[1] for parts in found if parts[0] == 'deeprank_plugin' and len(parts) > 1}
    return rooms


@pytest.mark.parametrize('floor', range(len(FLOORS)))
def test_no_import_runs_upwards(floor):
    forbidden = set().union(*FLOORS[floor + 1 :], BESIDE if FLOORS[floor] != {'apis'} else ())
    wrong = []
    for room in FLOORS[floor]:
        for path in [PACKAGE / f'{room}.py', *(PACKAGE / room).rglob('*.py')]:
            if path.is_file() and imported_rooms(path) & forbidden:
                wrong.append(f'{path}: {sorted(imported_rooms(path) & forbidden)}')
    assert not wrong


def test_imports_are_found(tmp_path):
    path = PACKAGE / 'models' / 'utils' / 'bodies.py'
    assert imported_rooms(path) == {'models'}
    assert {'models', 'evaluation'} & imported_rooms(PACKAGE / 'engine' / 'reporting.py')
