"""What a run will do, in words."""

import pytest
from helpers import ROOT

from deeprank_plugin.command_line import load_config
from deeprank_plugin.command_line.plan import (
    describe_batch,
    describe_steps,
    describe_streams,
    read_streams,
)

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


@pytest.mark.parametrize(
    ('least', 'steps'),
    [
        (0, '2 batches an epoch, 30 epochs: 60 batches, 8 a step: 8 steps a run'),
        (
            16,
            '6 batches an epoch (3 passes of 2), 30 epochs: 180 batches, 8 a step: 23 steps a run',
        ),
    ],
)
def test_accumulated_batches_make_one_step(make_annotations, least, steps):
    cfg = load_config(FINETUNE, data=make_annotations(40))
    cfg.merge_from_dict({'train_dataloader.batch_size': 16, 'train_cfg.min_steps': least})
    cfg.merge_from_dict({'optim_wrapper.accumulative_counts': 8})
    assert describe_steps(cfg, 1) == f'30 samples, {steps}'
    text = '; the config sets 0.1 for a batch of 64 (--auto-scale-lr scales it for 1 x 16, '
    text += 'without accumulation)'
    batch = 'batch 1 x 16 x 8 accumulated = 128, learning rate'
    assert describe_batch(cfg, 1, False) == f'{batch} 0.1{text}'
    assert describe_batch(cfg, 1, True) == f'{batch} 0.025{text}'
    cfg.optim_wrapper.accumulative_counts = 4
    batch = 'batch 1 x 16 x 4 accumulated = 64, learning rate'
    assert describe_batch(cfg, 1, False) == f'{batch} 0.1'
    assert describe_batch(cfg, 1, True) == f'{batch} 0.025{text}'


def test_streams_that_differ(make_annotations):
    path = str(ROOT / 'configs/finetune/raw_linear.py')
    cfg, streams = load_config(path, data=make_annotations(40)), ['joint', 'motion']
    steps = '30 samples, 1 steps an epoch, 30 epochs: 30 steps a run'
    options = {'train_dataloader.batch_size': 30}
    cfg.merge_from_dict(options)
    text = 'batch 1 x 30 = 30, learning rate {0}; the config sets {0} for a batch of 64'
    text += f' (--auto-scale-lr scales it)\n{steps}'
    motion = read_streams(cfg, path, ['motion'], options)
    assert motion['motion'].model.data_preprocessor.modality == 'motion'
    assert motion['motion'].ann_file == cfg.ann_file  # and all else as cfg
    assert describe_streams(motion, 1, False) == [text.format(20)]
    both = describe_streams(read_streams(cfg, path, streams, options), 1, False)
    assert both == [f'joint: {text.format(0.02)}', f'motion: {text.format(20)}']
    cfg = load_config(FINETUNE, data=make_annotations(40))
    (once,) = describe_streams(read_streams(cfg, FINETUNE, streams, {}), 1, False)
    assert once.startswith('batch 1 x 64 = 64, learning rate 0.1\n')


def test_no_step(make_annotations, capsys):
    cfg = load_config(PRETRAIN, data=make_annotations(40))
    with pytest.raises(SystemExit):
        describe_steps(cfg, 1)
    assert 'fewer than a batch of 64' in capsys.readouterr().err
