"""RelabelHook in whole runs: rounds, resume, logs, several processes."""

import json
import logging
import math
import pickle
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from helpers import free_port, load, make_config, spawn, train, write_annotations
from mmaction.registry import TASK_UTILS
from mmengine.optim.optimizer import amp_optimizer_wrapper

from deeprank_plugin.engine import RelabelHook
from deeprank_plugin.engine.extraction import extract_split
from deeprank_plugin.engine.hooks import relabel_hook
from deeprank_plugin.engine.hooks.relabel_hook import require_same_bank
from deeprank_plugin.models.utils import FeatureBank


def read_log(folder):
    """Metrics of all JSON logs of a work dir, without times, in order of their epochs."""
    entries = []
    for path in sorted(Path(folder).glob('*/vis_data/*.json')):
        if path.stem != 'scalars' and path.stem != 'config':
            entries += [json.loads(line) for line in path.read_text().splitlines()]
    return entries


def test_rounds_by_interval_end_the_run_and_are_logged(tmp_path):
    cfg = make_config(tmp_path / 'run', interval=2, max_rounds=3)
    cfg.default_hooks.checkpoint.interval = 4  # 6 epochs: the last one would not be saved
    runner = train(cfg)
    assert runner.epoch == 6
    assert (tmp_path / 'run' / 'epoch_6.pth').exists()
    assert 'epoch_6.pth' in (tmp_path / 'run' / 'last_checkpoint').read_text()
    entries = [e for e in read_log(tmp_path / 'run') if 'relabel/round' in e]
    assert [e['relabel/round'] for e in entries] == [0, 1, 2, 3]
    assert [e['step'] for e in entries] == [0, 2, 4, 6]
    for entry in entries:
        for name in ('spread', 'effective_rank', 'knn'):
            assert math.isfinite(entry[f'relabel/{name}'])
    for entry in entries[1:]:
        for name in ('flipped', 'train_loss_rank', 'train_acc_rank', 'val_loss', 'val_acc'):
            assert math.isfinite(entry[f'relabel/{name}'])
    assert entries[0]['relabel/seconds'] > 0
    assert list((tmp_path / 'run').glob('*/vis_data/events.out.tfevents*'))


def test_labels_change_between_rounds_and_only_there(tmp_path):
    train(make_config(tmp_path / 'run', interval=2, max_rounds=2))
    banks = [load(tmp_path / 'run', e)['relabel']['bank']['features'] for e in (1, 2, 3, 4)]
    assert torch.equal(banks[0], banks[1])
    assert torch.equal(banks[2], banks[3])
    assert not torch.allclose(banks[1], banks[2])


ROUNDS = dict(interval=3, max_rounds=2)
PLATEAU = dict(monitor='rank/loss', patience=1, min_delta=10.0, max_rounds=3)


@pytest.mark.slow
@pytest.mark.parametrize(
    'relabel, epoch, workers, streams',
    [
        (ROUNDS, 2, 0, False),  # in the middle of a round
        (ROUNDS, 3, 0, False),  # between a round and the next labels
        (PLATEAU, 2, 0, False),
        (ROUNDS, 3, 2, False),
        (ROUNDS, 2, 2, True),
        (PLATEAU, 2, 0, True),
    ],
)
def test_resumed_equals_uninterrupted(tmp_path, relabel, epoch, workers, streams):
    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    last = train(make_config(whole, workers, streams, **relabel)).epoch
    cfg = make_config(cut, workers, streams, **relabel)
    cfg.resume, cfg.load_from = True, str(whole / f'epoch_{epoch}.pth')
    assert train(cfg).epoch == last > epoch
    first, second = load(whole, last), load(cut, last)
    for key, value in first['state_dict'].items():
        assert torch.equal(value, second['state_dict'][key]), key
    for key, value in first['optimizer']['state'].items():
        assert torch.equal(
            value['momentum_buffer'], second['optimizer']['state'][key]['momentum_buffer']
        )
    assert torch.equal(*(c['relabel']['bank']['features'] for c in (first, second)))
    assert first['relabel']['state'] == second['relabel']['state']

    def logged_by(folder):
        return [
            {k: v for k, v in entry.items() if 'time' not in k and 'seconds' not in k}
            for entry in read_log(folder)
            if 'lr' not in entry and entry['step'] > epoch
        ]

    assert len(logged_by(cut)) > 2
    assert logged_by(cut) == logged_by(whole)
    if streams:
        logged = set().union(*map(set, logged_by(whole)))
        for stream in ('joint', 'bone', 'motion'):
            for name in ('differ_other', 'differ_all', 'flipped_self', 'train_acc_other'):
                assert f'relabel/{stream}/{name}' in logged


def test_a_finished_run_is_neither_trained_nor_saved_again(tmp_path):
    cfg = make_config(tmp_path / 'run', interval=1, max_rounds=2)
    cfg.default_hooks.checkpoint.interval = 4  # the end of the run saves epoch 2
    train(cfg)
    path = tmp_path / 'run' / 'epoch_2.pth'
    saved = path.stat().st_mtime_ns
    cfg.resume = True
    assert train(cfg).epoch == 2
    assert path.stat().st_mtime_ns == saved
    assert [p.name for p in (tmp_path / 'run').glob('*.pth')] == ['epoch_2.pth']


def make_best(folder, **best):
    cfg = make_config(folder, interval=1, best=dict(monitor='effective_rank_var', **best))
    cfg.train_cfg = dict(type='ResumableTrainLoop', max_epochs=5)
    return cfg


def read_best(folder):
    return torch.load(Path(folder) / 'best_effective_rank_var.pth')


@pytest.mark.slow
@pytest.mark.parametrize('epoch', [1, 2])  # between a round and the next labels
def test_the_best_round_is_kept_and_ends_the_run(tmp_path, epoch):
    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    settings = dict(patience=2, min_delta=100.0)  # nothing is better than the first round
    assert train(make_best(whole, **settings)).epoch == 3
    kept = read_best(whole)
    assert kept['meta']['epoch'] == 1 and 'optimizer' not in kept
    for key, value in load(whole, 1)['state_dict'].items():
        assert torch.equal(kept['state_dict'][key], value), key
    assert 'epoch_3.pth' in (whole / 'last_checkpoint').read_text()

    cfg = make_best(cut, **settings)
    cfg.resume, cfg.load_from = True, str(whole / f'epoch_{epoch}.pth')
    assert train(cfg).epoch == 3
    first, second = load(whole, 3), load(cut, 3)
    for key, value in first['state_dict'].items():
        assert torch.equal(value, second['state_dict'][key]), key
    assert first['relabel']['best'] == second['relabel']['best']
    assert (cut / 'best_effective_rank_var.pth').exists() == (epoch == 1)
    logs = [read_log(folder) for folder in (whole, cut)]
    assert [e['step'] for e in logs[0] if 'relabel/round' in e] == [0, 1, 2, 3]  # none twice
    assert [[e['step'] for e in log if 'rank/loss' in e][-2:] for log in logs] == [[2, 3], [2, 3]]
    assert all([e for e in log if 'relabel/round' in e][-1]['relabel/flipped'] for log in logs)

    cfg.load_from = str(cut / 'epoch_3.pth')  # nothing is left to train
    assert train(cfg).epoch == 3


def test_processes_judge_a_round_alike(monkeypatch):
    def broadcast(shared):
        shared[0] = dict(train_loss=2.0)  # those of the first process

    monkeypatch.setattr(relabel_hook, 'broadcast_object_list', broadcast)
    hook = RelabelHook(interval=1, best=dict(monitor='train_loss', rule='greater', patience=1))
    hook.best.best = -3.0
    runner = SimpleNamespace(epoch=4, train_loop=SimpleNamespace(), logger=logging.getLogger())
    hook._compare_rounds(runner, dict(train_loss=9.0))
    assert hook.best.best == -3.0 and runner.train_loop.stop_training


@pytest.mark.parametrize('best', [dict(patience=2), dict(monitr='spread'), 'spread'])
def test_what_best_takes(best):
    with pytest.raises(ValueError, match=r'expected a dict of monitor.*patience=2'):
        RelabelHook(interval=1, best=best)


def test_the_last_round_may_be_the_best(tmp_path):
    cfg = make_best(tmp_path / 'run', rule='less', min_delta=-100.0)  # the later the better
    cfg.train_cfg.max_epochs = 2
    train(cfg)
    best = read_best(tmp_path / 'run')
    assert best['meta']['epoch'] == 2
    for key, value in load(tmp_path / 'run', 2)['state_dict'].items():
        assert torch.equal(best['state_dict'][key], value), key


@pytest.mark.parametrize('kind', ['CheckpointHook', 'WholeCheckpointHook'])
@pytest.mark.parametrize('relabel', [ROUNDS, PLATEAU])
def test_an_early_end_is_saved_by_any_checkpoint_hook(tmp_path, kind, relabel):
    cfg = make_config(tmp_path / 'run', **dict(relabel, max_rounds=1))
    cfg.default_hooks.checkpoint = dict(type=kind, interval=2, max_keep_ckpts=1, save_last=True)
    epoch = train(cfg).epoch
    assert epoch < cfg.train_cfg.max_epochs
    name = f'epoch_{epoch}.pth'
    assert [path.name for path in (tmp_path / 'run').glob('*.pth')] == [name]
    assert (tmp_path / 'run' / 'last_checkpoint').read_text().endswith(name)
    meta = load(tmp_path / 'run', epoch)['meta']
    assert meta['epoch'] == epoch and meta['iter'] % epoch == 0


def test_an_early_end_is_not_saved_without_save_last(tmp_path):
    cfg = make_config(tmp_path / 'run', interval=1, max_rounds=1)
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', interval=2, save_last=False)
    train(cfg)
    assert not list((tmp_path / 'run').glob('*.pth'))


class CountedEpochs:
    """A schedule of one's own: relabels after the epochs that it names."""

    def __init__(self, after):
        self.after, self.round, self.epoch, self.due, self.spent = after, 0, 0, False, False

    def start_round(self):
        self.due = False

    def end_epoch(self):
        self.epoch += 1
        self.due = self.epoch in self.after
        self.round += self.due

    def end_validation(self, metrics):
        pass

    def state_dict(self):
        return dict(round=self.round, epoch=self.epoch, due=self.due)

    def load_state_dict(self, state):
        vars(self).update(state)


def test_a_schedule_of_ones_own(tmp_path):
    TASK_UTILS.register_module(module=CountedEpochs, force=True)
    cfg = make_config(tmp_path / 'run', schedule=dict(type='CountedEpochs', after=[1, 3]))
    cfg.train_cfg.max_epochs = 2
    train(cfg)
    cfg.train_cfg.max_epochs, cfg.resume = 4, True
    train(cfg)
    entries = [e for e in read_log(tmp_path / 'run') if 'relabel/round' in e]
    # after epoch 2 the first run reports on its final features; so does the second one at its end
    assert [(e['step'], e['relabel/round']) for e in entries] == [
        *((0, 0), (1, 1)),
        *((2, 1), (3, 2), (4, 2)),
    ]
    banks = [load(tmp_path / 'run', e)['relabel']['bank']['features'] for e in (2, 3, 4)]
    assert torch.equal(banks[0], banks[1]) and not torch.equal(banks[1], banks[2])


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(), 'exactly one'),
        (dict(interval=0), 'interval=0'),
        (dict(schedule=dict(interval=0)), 'interval=0'),
    ],
)
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        RelabelHook(**kwargs)


def test_validation_without_training_builds_no_train_loop():
    hook = RelabelHook(monitor='m', patience=1)
    hook.after_val_epoch(SimpleNamespace(_train_loop=dict(max_epochs=1)), {'m': 1.0})
    assert hook.schedule.round == 0 and hook.schedule.best == math.inf


def test_the_model_learns_what_scales_its_loss(tmp_path, monkeypatch):
    """As MV-DeepRank takes gradients before the run's backward pass; also after a resume."""
    monkeypatch.setattr(amp_optimizer_wrapper, 'is_cuda_available', lambda: True)
    monkeypatch.setattr(amp_optimizer_wrapper, 'GradScaler', partial(torch.amp.GradScaler, 'cpu'))
    cfg = make_config(tmp_path / 'run', streams=True, interval=9)
    options = dict(init_scale=64.0, growth_interval=3)  # steps, as many as the epoch has
    cfg.optim_wrapper.update(type='AmpOptimWrapper', dtype='bfloat16', loss_scale=options)
    cfg.model.backbone.num_stages = cfg.train_cfg.max_epochs = 1
    cfg.default_hooks.relabel.pipeline = cfg.val_dataloader.dataset.pipeline
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    for resume in (False, True):  # the second run has nothing left to train
        cfg.resume = resume
        runner = train(cfg)
        assert runner.optim_wrapper.loss_scaler.get_scale() == 128.0
        assert runner.model.scale_loss(torch.tensor(3.0)) == 3.0 * 128.0


def test_without_a_test_pipeline(tmp_path):
    cfg = make_config(tmp_path / 'run', interval=1)
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    with pytest.raises(ValueError, match='set pipeline='):
        train(cfg)
    cfg = make_config(tmp_path / 'run', interval=1, max_rounds=1)
    pipeline = cfg.val_dataloader.dataset.pipeline
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    cfg.default_hooks.relabel.pipeline = pipeline
    assert train(cfg).epoch == 1


def test_a_loop_without_epochs_says_so(tmp_path):
    cfg = make_config(tmp_path / 'run', interval=1)
    cfg.train_cfg = dict(by_epoch=False, max_iters=4)
    with pytest.raises(ValueError, match=r'IterBasedTrainLoop.*set train_cfg=.*by_epoch=True'):
        train(cfg)


def test_a_batch_too_small_says_so(tmp_path):
    cfg = make_config(tmp_path / 'run', interval=1)
    cfg.train_dataloader.batch_size = 2
    with pytest.raises(ValueError, match='at least 3.*batch_size'):
        train(cfg)


def test_resume_without_labels_in_the_checkpoint(tmp_path):
    train(make_config(tmp_path / 'run', interval=1, max_rounds=1))
    path = tmp_path / 'run' / 'epoch_1.pth'
    checkpoint = torch.load(path)
    del checkpoint['relabel']
    torch.save(checkpoint, path)
    cfg = make_config(tmp_path / 'run', interval=1, max_rounds=1)
    cfg.resume = True
    with pytest.raises(KeyError, match='no ranking labels.*load_from'):
        train(cfg)


@pytest.mark.slow
@pytest.mark.parametrize('wrapper', ['RepeatDataset', 'ConcatDataset'])
def test_wrapped_training_data(tmp_path, wrapper):
    cfg = make_config(tmp_path / 'run', interval=1, max_rounds=1)
    leaf = cfg.train_dataloader.dataset
    if wrapper == 'RepeatDataset':
        cfg.train_dataloader.dataset = dict(type=wrapper, times=3, dataset=leaf)
    else:
        write_annotations(tmp_path / 'more.pkl', number=12)
        content = pickle.loads((tmp_path / 'more.pkl').read_bytes())
        for annotation in content['annotations']:
            annotation['frame_dir'] = 'more_' + annotation['frame_dir']
        content['split'] = dict(train=[a['frame_dir'] for a in content['annotations']])
        (tmp_path / 'more.pkl').write_bytes(pickle.dumps(content))
        other = dict(leaf, ann_file=str(tmp_path / 'more.pkl'))
        cfg.train_dataloader.dataset = dict(type=wrapper, datasets=[leaf, other])
    runner = train(cfg)
    bank = load(tmp_path / 'run', 1)['relabel']['bank']
    assert len(bank['names']) == (24 if wrapper == 'RepeatDataset' else 36)
    assert extract_split(runner, find_loader(runner)).names == bank['names']


def find_loader(runner):
    return next(hook for hook in runner.hooks if isinstance(hook, RelabelHook))._loader


@pytest.mark.distributed
@pytest.mark.parametrize('processes', [2, 3])
def test_several_processes_make_the_bank_of_one(server, tmp_path, processes):
    """Of 23 sequences, which neither number divides; RelabelHook compares the banks by their hash.

    Without calibration, whose batches differ between one process and several.
    """
    write_annotations(tmp_path / 'annotations.pkl', number=23)
    cfg = make_config(tmp_path / 'one', interval=1, max_rounds=1, calibrate=False)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.holdout.share = 0.35  # 8: three, which make a triplet, for each
    train(cfg)
    cfg.env_cfg.dist_cfg.backend = 'gloo'
    cfg.train_dataloader.batch_size = 3
    path = tmp_path / 'config.py'
    cfg.dump(path)
    arguments = [path, '--launcher', 'pytorch', '--seed', '3', '--work-dir', tmp_path / 'several']
    log = tmp_path / 'several.log'
    assert server(*arguments, log=log, processes=processes) == [0] * processes, log.read_text()
    one, several = (load(tmp_path / n, 1)['relabel']['bank'] for n in ('one', 'several'))
    assert one['names'] == several['names'] and len(one['names']) == 23
    torch.testing.assert_close(one['features'], several['features'], rtol=1e-4, atol=1e-5)


def compare_banks(rank, port):
    torch.distributed.init_process_group(
        'gloo', init_method=f'tcp://127.0.0.1:{port}', rank=rank, world_size=3
    )
    bank = FeatureBank(['a', 'b'])
    bank.write(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    runner = SimpleNamespace(model=SimpleNamespace(bank=bank))
    require_same_bank(runner)
    if rank == 1:
        bank.features[1, 0] = 3.0000002  # the next number
    with pytest.raises(RuntimeError, match='process 1 of 3 holds another feature bank'):
        require_same_bank(runner)
    bank.features[1, 0] = 3.0
    if rank == 2:
        bank.names[0] = 'c'
    with pytest.raises(RuntimeError, match='process 2 of 3 holds another feature bank'):
        require_same_bank(runner)
    torch.distributed.barrier()
    # left to the interpreter's end, the group's threads can abort the process
    torch.distributed.destroy_process_group()


@pytest.mark.distributed
def test_other_banks_in_other_processes_are_noticed():
    port = free_port()
    spawn(compare_banks, port, processes=3)
