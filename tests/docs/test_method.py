"""The method page's recipes: a teacher by a config, rates that fall over the rounds."""

import re

import pytest
import torch
from helpers import ROOT
from mmaction.registry import MODELS
from mmcv.transforms import Compose
from mmengine.config import DictAction
from mmengine.optim.scheduler import CosineRestartLR

from deeprank_plugin.command_line import load_config
from deeprank_plugin.engine import RelabelHook

PAGE = (ROOT / 'docs/method.md').read_text()


@pytest.mark.parametrize('method', ['deeprank', 'segrank', 'mv-deeprank', 'mv-segrank'])
def test_a_teacher_instead_of_rounds(tmp_path, method):
    (text,) = re.findall(r'```python\n(_base_.*?)```', PAGE, re.DOTALL)
    folder = 'segrank' if 'segrank' in method else method.replace('-', '_')
    base = f'{folder}/{method}_stgcn-w16.py'
    (tmp_path / 'mine.py').write_text(text.replace('deeprank/deeprank_stgcn.py', base))
    cfg = load_config(str(tmp_path / 'mine.py'), data='uiprmd_xsub', views='strong')
    pipeline = Compose(cfg.train_dataloader.dataset.pipeline)
    batch = []
    for index in range(3):
        keypoint = torch.randn(1, 30 + index, 25, 3).numpy()
        sample = dict(keypoint=keypoint, total_frames=30 + index, label=0, split='train')
        batch.append(pipeline(dict(sample, frame_dir=str(index), sample_idx=index)))
    model = MODELS.build(cfg.model)
    data = {key: [sample[key] for sample in batch] for key in batch[0]}
    data = model.data_preprocessor(data, training=True)
    joint = data['inputs']['joint'] if model.several_modalities else data['inputs']
    views = 2 if model.two_views else 1
    assert joint.shape == (3, views + 1, 1, 48, 25, 3)
    masked = (joint == 0).all(dim=(2, 3, 5)).any(dim=2)
    strong = [True] * views
    assert masked.tolist() == [[*strong, False]] * 3  # for the encoder, and plain for the teacher
    streams = (3,) if model.several_modalities else ()
    model.relabel(torch.randn(3, *streams, 64 * model.segments), ['0', '1', '2'])
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    loss.backward()
    assert torch.isfinite(loss) and cfg.param_scheduler[0].T_max == 100 // views
    assert RelabelHook(**{k: v for k, v in cfg.default_hooks.relabel.items() if k != 'type'})


@pytest.mark.parametrize('recipe', [0, 1])
def test_the_rate_falls_over_the_rounds(recipe):
    options = re.findall(r'^ +--cfg-options (param_scheduler.*)$', PAGE, re.MULTILINE)[recipe]
    cfg = load_config(str(ROOT / 'configs/deeprank/deeprank_stgcn-w16.py'), data='uiprmd_xsub')
    pairs = [option.replace('"', '').split('=') for option in options.split()]
    cfg.merge_from_dict({key: DictAction._parse_iterable(value) for key, value in pairs})
    (scheduler,) = cfg.param_scheduler
    assert scheduler.pop('type') == 'CosineRestartLR' and scheduler.pop('convert_to_iter_based')
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    schedule = CosineRestartLR.build_iter_from_epoch(
        **scheduler, optimizer=optimizer, epoch_length=2
    )
    rates = []
    for _ in range(200):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        schedule.step()
    interval = cfg.default_hooks.relabel.interval
    first = rates[:: 2 * interval]  # of each round
    assert len(first) == cfg.default_hooks.relabel.max_rounds == 5
    assert first == sorted(first, reverse=True) and first[-1] < 0.3 * first[0]
    if recipe == 0:  # and within: it never restarts
        assert all(later < before for before, later in zip(rates, rates[1:]))
