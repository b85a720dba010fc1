"""What a run will do, in words."""

import pytest
from helpers import ROOT

from deeprank_plugin.command_line import load_config
from deeprank_plugin.command_line.plan import describe_batch, describe_steps

FINETUNE = str(ROOT / 'configs/finetune/stgcn-w16_pretrained.py')
PRETRAIN = str(ROOT / 'configs/deeprank/deeprank_stgcn-w16.py')


def test_batch_and_rate(make_annotations):
    cfg = load_config(FINETUNE, data=make_annotations(40), share='10p')
    assert describe_batch(cfg, 1, False) == 'batch 1 x 16 = 16, learning rate 0.02'
    text = '; the config sets 0.02 for a batch of 16'
    unscaled = f'batch 2 x 16 = 32, learning rate 0.02{text} (--auto-scale-lr scales it)'
    assert describe_batch(cfg, 2, False) == unscaled
    assert describe_batch(cfg, 2, True) == f'batch 2 x 16 = 32, learning rate 0.04{text}'
    cfg = load_config(FINETUNE, data='toy_xsub', share='1p')  # at the rate of its own batch
    assert describe_batch(cfg, 1, True) == 'batch 1 x 8 = 8, learning rate 0.02'


@pytest.mark.parametrize(
    ('processes', 'least', 'steps'),
    [
        (1, 0, '30 samples, 2 steps an epoch, 30 epochs: 60 steps a run'),
        (2, 0, '30 samples, 1 steps an epoch, 30 epochs: 30 steps a run'),
        (1, 61, '30 samples, 4 steps an epoch (2 passes of 2), 30 epochs: 120 steps a run'),
    ],
)
def test_steps(make_annotations, processes, least, steps):
    cfg = load_config(FINETUNE, data=make_annotations(40))
    cfg.merge_from_dict({'train_dataloader.batch_size': 16, 'train_cfg.min_steps': least})
    assert describe_steps(cfg, processes) == steps


def test_no_step(make_annotations, capsys):
    cfg = load_config(PRETRAIN, data=make_annotations(40))
    with pytest.raises(SystemExit):
        describe_steps(cfg, 1)
    assert 'fewer than a batch of 64' in capsys.readouterr().err
