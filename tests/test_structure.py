"""The structure: imports run downwards, tests mirror the package, files are short and few."""

import ast
from pathlib import Path

import pytest
from helpers import ROOT

PACKAGE, TESTS = ROOT / 'deeprank_plugin', ROOT / 'tests'
FLOORS = ('layouts', 'utils', 'datasets', 'models', 'evaluation', 'engine', 'apis')
BESIDE = ('converters', 'visualization', 'command_line')
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob('*.py'))
UNTESTED = ('__init__.py', 'version.py')
# Tests of several modules together, and folders of what is not in the package.
TOGETHER = {
    'configs',  # every config
    'datasets/test_annotation_fuzz.py',  # spoiled annotation files, however they are read
    'datasets/transforms/test_pipeline.py',
    'docs',  # the pages and their examples
    'engine/recovery/test_base_config.py',  # configs/_base_/recovery.py
    'engine/recovery/test_dead_processes.py',
    'models/pretrainers/test_teacher.py',  # of DeepRank and MV-DeepRank
    'models/pretrainers/test_twenty_steps.py',  # several processes
    'models/pretrainers/test_two_processes.py',
    'models/test_device_discipline.py',  # all models, on 'meta'
    'models/test_equations.py',  # where the paper's equations are
    'models/test_init.py',
    'projects',
    'properties',  # property tests of whole chains of functions
    'test_structure.py',
    'tools',  # the tools as programs
}


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


def test_imports_are_found():
    assert imported_rooms(Path('models/utils/bodies.py')) == {'models'}
    assert imported_rooms(Path('engine/reporting.py')) == {'engine', 'evaluation'}


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
    known = {*FLOORS, *BESIDE, 'compat', 'registry', 'version', '__init__'}
    assert {room(path) for path in MODULES} <= known


def test_every_module_has_its_test_and_every_test_its_module():
    expected = {
        path.with_name(f'test_{path.name}') for path in MODULES if path.name not in UNTESTED
    }
    found = {path.relative_to(TESTS) for path in TESTS.rglob('test_*.py')}
    missing = sorted(str(path) for path in expected - found)
    assert not missing, 'each module a/b.py is tested by tests/a/test_b.py; there is none of these'
    strangers = {str(path) for path in found - expected}
    strangers -= {path for path in strangers if {path, path.split('/')[0]} & TOGETHER}
    assert not strangers, 'name it after the module that it tests, or add it to TOGETHER'
    assert all((TESTS / path).exists() for path in TOGETHER)


def test_no_file_is_long():
    paths = [*PACKAGE.rglob('*.py'), *(ROOT / 'tools').rglob('*.py'), *TESTS.rglob('*.py')]
    long = {str(p): len(p.read_text(encoding='utf-8').splitlines()) for p in paths}
    assert not {name: lines for name, lines in long.items() if lines > 400}


def test_configs_are_few():
    assert len(list((ROOT / 'configs').rglob('*.py'))) <= 95
