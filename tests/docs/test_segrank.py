"""The page's config: two strong views made on the device, and a training step with them."""

import re

import torch
from helpers import ROOT
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample

from deeprank_plugin.command_line import load_config


def test_two_views_on_the_device(tmp_path):
    page = (ROOT / 'docs/segrank.md').read_text()
    (text,) = re.findall(r'```python\n(_base_.*?)```', page, re.DOTALL)
    (tmp_path / 'mine.py').write_text(text.replace('segrank_stgcn.py', 'segrank_stgcn-w16.py'))
    cfg = load_config(str(tmp_path / 'mine.py'), data='uiprmd_xsub')
    types = [step.type for step in cfg.train_dataloader.dataset.pipeline]
    assert types == ['CenterSkeleton', 'FormatGCNInput', 'PackActionInputs']
    model = MODELS.build(cfg.model)
    samples = [ActionDataSample(metainfo=dict(sample_idx=i, frame_dir=str(i))) for i in range(3)]
    inputs = [torch.randn(1, 1, frames, 25, 3) for frames in (20, 30, 70)]
    data = model.data_preprocessor(dict(inputs=inputs, data_samples=samples), training=True)
    assert data['inputs'].shape == (3, 2, 1, 48, 25, 3)
    masked = (data['inputs'] == 0).all(dim=(2, 3, 5))
    assert masked.any() and not torch.equal(masked[:, 0], masked[:, 1])
    model.relabel(torch.randn(3, 256), ['0', '1', '2'])
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    loss.backward()
    assert torch.isfinite(loss)
