"""Features by index, and the statistics of a fresh network."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from helpers import load, make_config, make_runner
from mmaction.structures import ActionDataSample
from mmengine.dataset import pseudo_collate
from torch import nn
from torch.nn import BatchNorm1d, BatchNorm2d
from torch.utils.data import DataLoader, SequentialSampler

from deeprank_plugin.datasets.collate import join_samples
from deeprank_plugin.engine.extraction import (
    build_extraction_loader,
    calibrate_batch_norm,
    extract_split,
    read_labels,
    require_all_samples,
)
from deeprank_plugin.models.utils import bodies


def test_first_labels_are_eval_features_by_index(tmp_path):
    cfg = make_config(tmp_path / 'run', interval=1, calibrate=False)
    cfg.train_cfg.max_epochs = 1
    runner = make_runner(cfg)
    dataset = runner.build_dataloader(cfg.val_dataloader).dataset
    runner._init_model_weights()
    fresh = {k: v.clone() for k, v in runner.model.state_dict().items()}
    runner.train()
    bank = load(tmp_path / 'run', 1)['relabel']['bank']
    assert bank['names'] == dataset.sample_names and len(bank['names']) == 24
    runner.model.load_state_dict(fresh)
    runner.model.eval()
    for sample in (dataset[i] for i in range(len(dataset))):
        with torch.no_grad():
            feature = runner.model(sample['inputs'][None], mode='tensor')[0]
        row = sample['data_samples'].sample_idx
        torch.testing.assert_close(bank['features'][row], feature, rtol=1e-4, atol=1e-5)


def test_workers_hand_over_as_those_of_validation(tmp_path):
    cfg = make_config(tmp_path / 'run', interval=1)
    own = dict(collate_fn=dict(type='stack_samples'), pin_memory=True, num_workers=1)
    cfg.val_dataloader.update(own, prefetch_factor=3)
    runner = make_runner(cfg)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner._val_loop = runner.build_val_loop(runner._val_loop)
    loader = build_extraction_loader(runner)
    assert loader.pin_memory and loader.prefetch_factor == 3 and loader.num_workers == 1
    extracted = extract_split(runner, loader)
    plain = DataLoader(loader.dataset, batch_size=6, collate_fn=pseudo_collate)
    other = extract_split(runner, plain)
    assert torch.equal(extracted.features, other.features)
    assert torch.equal(extracted.labels, other.labels) and extracted.names == other.names


class Leaf(list):
    """A data set of 24 samples whose ``indices`` leave the given ones."""

    ann_file, num_split_samples, _indices = 'a.pkl', 24, 10


def test_indices_that_leave_samples_out():
    require_all_samples(Leaf(range(24)))
    with pytest.raises(ValueError, match=r'gives 10 of the 24 samples .*indices=10.*labels=dict'):
        require_all_samples(Leaf(range(10)))


def test_labels_of_a_batch():
    samples = [ActionDataSample(metainfo=dict(frame_dir=str(i))) for i in range(3)]
    assert read_labels(samples) == read_labels(join_samples(samples)) == [-1] * 3
    for index, sample in enumerate(samples):
        sample.set_gt_label(index + 4)
    assert read_labels(samples) == read_labels(join_samples(samples)) == [4, 5, 6]


def test_calibration_averages_the_batches(tmp_path):
    runner = make_runner(make_config(tmp_path / 'run', interval=1))
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner._val_loop = runner.build_val_loop(runner._val_loop)
    loader = build_extraction_loader(runner)
    layer = next(m for m in runner.model.modules() if isinstance(m, BatchNorm2d))
    seen = []
    handle = layer.register_forward_hook(lambda m, x, y: seen.append(x[0].detach().clone()))
    momentum = layer.momentum
    calibrate_batch_norm(runner, loader)
    handle.remove()
    mean = torch.stack([x.mean(dim=(0, 2, 3)) for x in seen]).mean(dim=0)
    var = torch.stack([x.transpose(0, 1).flatten(1).var(dim=1) for x in seen]).mean(dim=0)
    assert len(seen) == 4
    torch.testing.assert_close(layer.running_mean, mean)
    torch.testing.assert_close(layer.running_var, var)
    assert layer.momentum == momentum
    assert not layer.training


class Normalised(nn.Module):
    """A SyncBatchNorm and nothing else, with a preprocessor that only takes the inputs."""

    def __init__(self):
        super().__init__()
        self.norm = nn.SyncBatchNorm(2)

    def data_preprocessor(self, batch, training):
        return dict(inputs=torch.stack(batch))

    def forward(self, inputs, mode):
        return self.norm(inputs)


def test_synchronised_layers_do_not_wait_for_batches_that_others_lack():
    """Here a layer that looks for other processes raises an error, as the data are on the CPU."""
    model, values = Normalised(), torch.randn(6, 2, 5)
    loader = DataLoader(values, batch_size=4, sampler=SequentialSampler(values), collate_fn=list)
    runner = SimpleNamespace(model=model, call_hook=lambda name: None)
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group('gloo', store=store, rank=0, world_size=1)
    try:
        with pytest.raises(ValueError, match='expected input tensor to be on GPU'):
            model.train()(values, mode='tensor')
        calibrate_batch_norm(runner, loader)
    finally:
        torch.distributed.destroy_process_group()
    means = [part.transpose(0, 1).flatten(1).mean(dim=1) for part in values.split(4)]
    torch.testing.assert_close(model.norm.running_mean, torch.stack(means).mean(dim=0))
    assert 'forward' not in vars(model.norm) and model.norm.momentum == 0.1


def build_with_absent_bodies(folder):
    """A runner whose second bodies are all absent, and its first layer with statistics."""
    cfg = make_config(folder, interval=1)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.pipeline[-2].num_person = 2
    runner = make_runner(cfg)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner._val_loop = runner.build_val_loop(runner._val_loop)
    return runner, next(m for m in runner.model.modules() if isinstance(m, BatchNorm1d))


def test_absent_bodies_count_on_demand_as_in_training(tmp_path):
    runner, layer = build_with_absent_bodies(tmp_path / 'run')
    means = []
    for absent in (False, True):
        calibrate_batch_norm(runner, build_extraction_loader(runner), absent_bodies=absent)
        assert not any(module.training for module in runner.model.modules())
        means.append(layer.running_mean.clone())
    # of a batch of 6: no absent body or 6 of them
    torch.testing.assert_close(means[1] * 12, means[0] * 6, rtol=1e-3, atol=1e-4)


def test_first_labels_do_not_depend_on_the_device(tmp_path, monkeypatch):
    """A GPU encodes more empty bodies beside the present ones than a CPU."""
    runner, _ = build_with_absent_bodies(tmp_path / 'run')
    found = []
    for device in ('cpu', 'cuda'):
        number = partial(bodies.empty_bodies, device=torch.device(device))
        with monkeypatch.context() as patch:
            patch.setattr(bodies, 'empty_bodies', lambda n, _, number=number: number(n))
            loader = build_extraction_loader(runner)
            torch.manual_seed(0)
            calibrate_batch_norm(runner, loader)
        found.append(extract_split(runner, loader).features)
    torch.testing.assert_close(found[1], found[0], rtol=1e-5, atol=1e-6)


def test_batches_without_a_body_do_not_count(tmp_path):
    runner, layer = build_with_absent_bodies(tmp_path / 'run')
    batches = list(build_extraction_loader(runner))
    empty = dict(batches[0], inputs=[torch.zeros_like(x) for x in batches[0]['inputs']])
    means = []
    for shown in (batches, [empty, *batches[:2], empty, *batches[2:]], [empty]):
        loader = DataLoader(shown, batch_size=None, sampler=SequentialSampler(shown))
        calibrate_batch_norm(runner, loader)
        means.append(layer.running_mean.clone())
    assert torch.equal(means[1], means[0]) and means[0].any()
    assert not means[2].any() and (layer.running_var == 1).all()
