"""Features are those of the encoder that test.py would take, in the file that is named."""

import numpy as np
import pytest
import torch
from helpers import ROOT
from mmaction.registry import MODELS
from mmengine.registry import init_default_scope

from deeprank_plugin.command_line import load_config

KNN = ROOT / 'configs/finetune/stgcn-w16_knn.py'
SMALL = ['model.backbone.base_channels=4', 'test_dataloader.num_workers=0']
SMALL += ['test_dataloader.persistent_workers=False', 'test_evaluator.k=1']


@pytest.fixture
def run(call_tool, tmp_path, monkeypatch, write_random_walks):
    """Run the tool in this process on small data: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    write_random_walks(tmp_path / 'walks.pkl', 12, 8)
    tool = 'analysis/extract_features.py'
    options = ('--data', 'walks.pkl', '--cfg-options', *SMALL)
    return lambda out, *arguments: call_tool(tool, KNN, out, *arguments, *options)


def test_one_modality_of_several(run, tmp_path):
    init_default_scope('mmaction')
    cfg = load_config(str(ROOT / 'configs/mv_deeprank/mv-deeprank_stgcn-w16.py'), data='toy_xsub')
    cfg.model.backbone.base_channels = 4
    cfg.model.head.in_channels = 16
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    torch.save(dict(state_dict=model.state_dict(), meta=dict(cfg=cfg.pretty_text)), 'mv.pth')
    features = {}
    for modality in ('joint', 'bone'):
        code, out, err = run(f'{modality}.npz', '--checkpoint', 'mv.pth', '--modality', modality)
        assert code == 0 and '1-NN top-1' in out, err
        features[modality] = np.load(tmp_path / f'{modality}.npz')['features']
        assert features[modality].shape == (12, 16)
    assert not np.allclose(features['joint'], features['bone'])


@pytest.mark.parametrize('name', ['features', 'features.npy'])
def test_the_file_is_the_one_that_is_named(run, tmp_path, name):
    code, _, err = run(name)
    assert code == 2 and f'OUT {name}: expected a file that ends in .npz' in err
    assert [path.name for path in tmp_path.iterdir()] == ['walks.pkl']
