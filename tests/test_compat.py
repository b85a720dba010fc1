"""Each workaround of compat.py closes its gap, no wider than needed.

Where the state of a whole process matters the test runs a fresh one.
"""

import importlib.machinery
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from helpers import ROOT, free_port
from mmaction.registry import METRICS, MODELS
from mmaction.structures import ActionDataSample
from mmengine.logging import HistoryBuffer

from deeprank_plugin import compat


def run_python(code, **environment):
    """Run code in a fresh interpreter that finds the repository; return the finished process."""
    environment = {
        **os.environ,
        'PYTHONPATH': str(ROOT),
        'OMP_NUM_THREADS': '1',
    } | environment
    return subprocess.run(
        [sys.executable, '-c', code], env=environment, capture_output=True, text=True
    )


@pytest.mark.slow
def test_models_import_after_a_failed_import_and_drn_says_why():
    result = run_python("""
import importlib.util, sys
from mmaction.registry import MODELS
root = importlib.util.find_spec('mmaction').submodule_search_locations[0]
import os
packaged = os.path.isdir(os.path.join(root, 'models', 'localizers', 'drn'))
config = dict(type='GCNHead', num_classes=3, in_channels=4)
if not packaged:
    try:
        import mmaction.models
        sys.exit('the gap is not there')
    except ModuleNotFoundError:
        pass
    try:
        MODELS.build(config)
        sys.exit('the lazy import does not fail')
    except (KeyError, ModuleNotFoundError):
        pass
import deeprank_plugin.compat
assert type(MODELS.build(config)).__name__ == 'GCNHead'
from mmaction.models import DRN
if not packaged:
    assert MODELS.get('DRN') is None
    try:
        DRN(dim=1)
        sys.exit('the stand-in can be used')
    except NotImplementedError as error:
        assert 'wheel' in str(error), error
""")
    assert result.returncode == 0, result.stderr


def test_real_localizer_package_wins(monkeypatch, tmp_path):
    (tmp_path / 'models' / 'localizers' / 'drn').mkdir(parents=True)
    spec = importlib.machinery.ModuleSpec('mmaction', None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(compat.importlib.util, 'find_spec', lambda name: spec)
    monkeypatch.setattr(sys, 'meta_path', list(sys.meta_path))
    before = list(sys.meta_path)
    assert compat.provide_missing_localizer() is None
    assert sys.meta_path == before


def test_localizer_finder_answers_for_nothing_else():
    finder = compat._MissingLocalizerFinder()
    assert finder.find_spec(compat.MISSING_PACKAGE) is not None
    for name in ('mmaction.models.localizers.bmn', 'mmaction', 'drn'):
        assert finder.find_spec(name) is None


def test_missing_mmcv_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setattr(compat.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(ModuleNotFoundError, match='pip install "mmcv-lite'):
        compat.require_mmcv()


@pytest.fixture
def mmengine_checkpoint(tmp_path):
    """A file with what MMEngine's runner writes beside the weights."""
    history = HistoryBuffer()
    for value in (3.0, 1.0, 2.0):
        history.update(value)
    path = tmp_path / 'epoch_1.pth'
    content = dict(
        state_dict=dict(weight=torch.ones(2)),
        message_hub=dict(log_scalars=dict(loss=history), runtime_info=dict(lr=np.float64(0.1))),
        indices=np.arange(3),
        names=np.array(['a', 'b']),
    )
    torch.save(content, path)
    return path


def check_content(content):
    history = content['message_hub']['log_scalars']['loss']
    assert [history.statistics(name) for name in compat.HISTORY_STATISTICS] == [1.0, 3.0, 2.0, 2.0]
    assert content['message_hub']['runtime_info']['lr'] == np.float64(0.1)
    assert content['indices'].tolist() == [0, 1, 2]
    assert content['names'].tolist() == ['a', 'b']


@pytest.mark.skipif(
    compat._major_minor(torch.__version__) < (2, 6), reason='torch.load is not restricted yet'
)
class TestCheckpoints:
    def test_loads_only_with_the_workaround(self, mmengine_checkpoint):
        check_content(torch.load(mmengine_checkpoint, weights_only=True))
        torch.serialization.clear_safe_globals()
        try:
            with pytest.raises(Exception, match='Unsupported global'):
                torch.load(mmengine_checkpoint, weights_only=True)
        finally:
            compat.allow_mmengine_checkpoints()

    @pytest.mark.parametrize('module', ['numpy.core', 'numpy._core'])
    def test_loads_what_either_numpy_wrote(self, mmengine_checkpoint, tmp_path, module):
        path = tmp_path / 'rewritten.pth'
        with zipfile.ZipFile(mmengine_checkpoint) as old, zipfile.ZipFile(path, 'w') as new:
            for name in old.namelist():
                data = old.read(name)
                if name.endswith('data.pkl'):
                    for written in (b'cnumpy.core.', b'cnumpy._core.'):
                        data = data.replace(written, f'c{module}.'.encode())
                    assert f'c{module}.multiarray\nscalar'.encode() in data
                new.writestr(name, data)
        check_content(torch.load(path, weights_only=True))

    @pytest.mark.parametrize(
        ('instance', 'name'),
        [(HistoryBuffer, 'register_statistics'), (HistoryBuffer, '__init__'), (os, 'system')],
    )
    def test_getattr_hands_out_nothing_else(self, instance, name):
        with pytest.raises(Exception, match='only the statistics'):
            compat.restricted_getattr(instance, name)

    @pytest.mark.parametrize('attack', ['os.system', 'getattr'])
    def test_attack_is_rejected_and_does_not_run(self, tmp_path, attack):
        path, victim = tmp_path / 'attack.pth', tmp_path / 'victim'

        class Attack:
            def __reduce__(self):
                if attack == 'getattr':
                    return getattr, (HistoryBuffer, '__subclasses__')
                return os.system, (f'touch {victim}',)

        torch.save(dict(state_dict=Attack()), path)
        with pytest.raises(Exception, match='Weights only load failed'):
            torch.load(path, weights_only=True)
        assert not victim.exists()


@pytest.mark.distributed
@pytest.mark.skipif(compat.has_accelerator(), reason='for machines without an accelerator')
def test_gloo_process_group_and_wrapped_cpu_model():
    port = str(free_port())
    result = run_python(
        """
import deeprank_plugin.compat
import torch
from mmengine.dist import all_reduce, get_world_size, init_dist
from mmengine.model import MMDistributedDataParallel
init_dist('pytorch', backend='gloo')
assert torch.distributed.get_backend() == 'gloo'
model = MMDistributedDataParallel(torch.nn.Linear(2, 1), device_ids=[0], broadcast_buffers=False)
model.module(torch.ones(1, 2)).sum().backward()
assert model.module.weight.grad.tolist() == [[1.0, 1.0]]
torch.distributed.destroy_process_group()
""",
        RANK='0',
        LOCAL_RANK='0',
        WORLD_SIZE='1',
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=port,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ''


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16, torch.float32])
def test_heads_take_half_precision_scores(dtype):
    head = MODELS.build(dict(type='GCNHead', num_classes=3, in_channels=4))
    labels = [2, 0]
    samples = [ActionDataSample().set_gt_label(label) for label in labels]
    scores = torch.tensor([[0.5, -1.0, 2.0], [0.25, 4.0, -2.0]]).to(dtype)
    losses = head.loss_by_feat(scores, samples)
    expected = torch.nn.functional.cross_entropy(scores.double(), torch.tensor(labels))
    assert losses['loss_cls'].item() == pytest.approx(expected.item(), rel=1e-5)
    assert losses['top1_acc'].item() == 0.5

    metric = METRICS.build(dict(type='AccMetric'))
    metric.process(None, [sample.to_dict() for sample in head.predict_by_feat(scores, samples)])
    assert metric.evaluate(2)['acc/top1'] == 0.5


BASE_CONFIG = "_base_ = 'mmaction::_base_/default_runtime.py'\n"


@pytest.mark.slow
def test_bases_of_other_packages_without_pkg_resources(tmp_path):
    (tmp_path / 'config.py').write_text(BASE_CONFIG)
    result = run_python(f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] == 'pkg_resources':
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocker())
import deeprank_plugin.compat
from mmengine.config import Config
assert Config.fromfile({str(tmp_path / 'config.py')!r}).default_hooks.timer.type == 'IterTimerHook'
""")
    assert result.returncode == 0, result.stderr


def test_installed_packages_are_found_by_module_and_distribution_name():
    import mmaction

    folder = os.path.dirname(mmaction.__file__)
    assert compat.get_installed_path('mmaction') == folder
    assert compat.get_installed_path('mmaction2') == folder
    assert compat.is_installed('mmaction') and compat.is_installed('mmaction2')
    assert not compat.is_installed('no_such_package')
    with pytest.raises(ModuleNotFoundError, match='no_such_package'):
        compat.get_installed_path('no_such_package')


@pytest.mark.slow
def test_import_is_silent_and_filters_are_narrow():
    message = 'Fail to import ``MultiScaleDeformableAttention``'
    result = run_python(f"""
import deeprank_plugin
import warnings
from mmengine.fileio import FileClient
FileClient(backend='disk')
warnings.warn_explicit({message!r}, UserWarning, 'mine.py', 1, module='mine')
""")
    assert result.returncode == 0, result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith(f'mine.py:1: UserWarning: {message}'), lines
    assert result.stdout == ''


def test_record_has_a_sentence_for_each_active_workaround():
    assert 'quiet_known_notices' in compat.ACTIVE
    for name, sentence in compat.ACTIVE.items():
        assert callable(getattr(compat, name))
        assert sentence.endswith('.')
