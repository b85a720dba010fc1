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


def test_a_teacher_instead_of_rounds(tmp_path):
    (text,) = re.findall(r'```python\n(_base_.*?)```', PAGE, re.DOTALL)
    (tmp_path / 'mine.py').write_text(text.replace('deeprank_stgcn.py', 'deeprank_stgcn-w16.py'))
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
    assert data['inputs'].shape == (3, 2, 1, 48, 25, 3)
    masked = (data['inputs'] == 0).all(dim=(2, 3, 5)).any(dim=2)
    assert masked.tolist() == [[True, False]] * 3  # strong for the encoder, plain for the teacher
    model.relabel(torch.randn(3, 64), ['0', '1', '2'])
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    loss.backward()
    assert torch.isfinite(loss) and cfg.param_scheduler[0].T_max == 100
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
