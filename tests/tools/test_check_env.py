"""tools/check_env.py names versions and problems, each with its remedy, and never a traceback."""

import importlib.metadata
import importlib.util
import sys

import pytest
from helpers import ROOT, run_tool

SCRIPT = ROOT / 'tools' / 'check_env.py'


@pytest.fixture
def check_env():
    """The script as a module."""
    spec = importlib.util.spec_from_file_location('check_env', SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pretend(monkeypatch, check_env, **versions):
    """Let some distributions have another version; None takes them away."""
    installed = importlib.metadata.version

    def version(name):
        found = versions.get(name.replace('-', '_'), installed)
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return found(name) if callable(found) else found

    monkeypatch.setattr(check_env.importlib.metadata, 'version', version)


@pytest.mark.slow
def test_sound_environment():
    from deeprank_plugin import __version__, compat

    # torch.__version__ of a wheel may name its build ('+cu130') where its metadata does not
    installed = [importlib.metadata.version(name) for name in ('torch', 'mmengine')]

    result = run_tool(SCRIPT)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ''
    for text in (*installed, __version__, 'Devices:'):
        assert text in result.stdout
    for sentence in compat.ACTIVE.values():
        assert sentence in result.stdout


@pytest.mark.parametrize(
    ('versions', 'sentence'),
    [
        (dict(torch='2.0.1'), 'torch 2.0.1 is too old: pip install "torch>=2.1'),
        (dict(mmcv='2.2.0'), 'mmcv 2.2.0 is too new: pip install "mmcv-lite>=2.0.0,<2.2"'),
        (dict(mmcv=None, mmcv_lite=None), 'mmcv or mmcv-lite is not installed: pip install'),
        (dict(mmaction2=None), 'mmaction2 is not installed: pip install "mmaction2>=1.2,<1.3"'),
        (dict(mmengine='0.9.1'), 'mmengine 0.9.1 is too old'),
    ],
)
def test_problem_is_named_with_its_remedy(monkeypatch, capsys, check_env, versions, sentence):
    pretend(monkeypatch, check_env, **versions)
    monkeypatch.setattr(sys, 'path', list(sys.path))
    assert check_env.main() == 1
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.count('error: ') == 1
    assert 'Everything works' not in captured.out


def test_untried_version_is_pointed_out_and_not_rejected(monkeypatch, capsys, check_env):
    pretend(monkeypatch, check_env, torch='2.16.0')
    monkeypatch.setattr(sys, 'path', list(sys.path))
    assert check_env.main() == 0
    assert '2.16.0 (newer than the tested versions)' in capsys.readouterr().out


def test_package_that_cannot_be_imported(monkeypatch, capsys, check_env):
    monkeypatch.setitem(sys.modules, 'cv2', None)
    monkeypatch.setattr(sys, 'path', list(sys.path))
    assert check_env.main() == 1
    assert 'cannot be imported (ModuleNotFoundError' in capsys.readouterr().err


def test_version_numbers(check_env):
    assert check_env.parse_version('2.13.0+cpu') == (2, 13, 0)
    assert check_env.parse_version('2.0.0rc4') == (2, 0)
    assert check_env.parse_version('2.10.1') > check_env.parse_version('2.9')
