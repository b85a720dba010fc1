"""Tools run in the process of the test, which saves them the imports."""

import runpy
import sys
from pathlib import Path

import pytest
from helpers import ROOT


@pytest.fixture
def call_tool(monkeypatch, capsys):
    """A function that runs a tool, by its path below tools/: exit code, stdout, stderr."""

    def call(tool, *arguments):
        monkeypatch.setattr(sys, 'path', list(sys.path))
        monkeypatch.setattr(sys, 'argv', [Path(tool).name, *map(str, arguments)])
        code = 0
        try:
            runpy.run_path(str(ROOT / 'tools' / tool))['main']()
        except SystemExit as ended:
            code = ended.code
        printed = capsys.readouterr()
        assert 'Traceback' not in printed.err
        return code, printed.out, printed.err

    return call
