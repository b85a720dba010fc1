"""Runs that are killed, or lose their disk or work dir, and are resumed: they end the same.

``DEEPRANK_KILLS=20 pytest tests/engine/recovery -k random`` kills each method 20 times with 0 and
with 2 workers, at random moments; the seed is DEEPRANK_KILL_SEED, 0 by default.
"""

import os
import random

import pytest
import torch
from helpers import make_config, train
from mmengine.fileio import LocalBackend, get_file_backend
from runs import METHODS, Chain, assert_equal_ends, kept, kill, make_resumable

from deeprank_plugin.engine import WholeCheckpointHook, WholeFileBackend

KILLS = int(os.environ.get('DEEPRANK_KILLS', 0))


def test_only_this_hook_and_its_kin_use_the_backend():
    """Importing the package leaves MMEngine's own local files as they are."""
    assert type(get_file_backend('/tmp/file')) is LocalBackend
    assert WholeCheckpointHook().backend_args == dict(backend='whole')
    assert type(get_file_backend('/tmp/file', backend_args=dict(backend='whole'))) is (
        WholeFileBackend
    )
    own = dict(backend='local')
    assert WholeCheckpointHook(backend_args=own).backend_args == own


def test_a_renamed_work_dir_replaces_its_own_best_checkpoint(tmp_path):
    """Another run has written to the old path since."""
    old, new = tmp_path / 'run', tmp_path / 'renamed'
    cfg = make_config(old, interval=1)
    cfg.train_cfg.max_epochs = 1
    cfg.default_hooks.checkpoint.update(save_best='rank/loss', rule='less')
    train(cfg)
    old.rename(new)
    checkpoint = torch.load(new / 'epoch_1.pth')
    checkpoint['message_hub']['runtime_info']['best_score'] = 1e9
    torch.save(checkpoint, new / 'epoch_1.pth')
    (best,) = new.glob('best_*.pth')
    old.mkdir()
    (old / best.name).touch()
    cfg.update(work_dir=str(new), resume=True)
    cfg.train_cfg.max_epochs = 2
    train(cfg)
    assert [path.name for path in old.iterdir()] == [best.name]
    assert [path.name for path in new.glob('best_*.pth')] == ['best_rank_loss_epoch_2.pth']


@pytest.mark.slow
def test_killed_five_times_equals_uninterrupted(server, data, whole, tmp_path):
    chain = Chain(server, make_resumable(data, workers=2), tmp_path / 'killed')
    for kind, number in (
        ('extract', 3),  # the first labels: nothing is saved yet
        ('write', 3),  # half of epoch_2.pth
        ('replaced', 3),  # epoch_3.pth has its name, last_checkpoint still that of epoch_2.pth
        ('val', 1),
        ('extract', 2),  # the second labels
    ):
        assert chain.start(kill(kind, number)) == -9, chain.printed[-3000:]
    assert_equal_ends(chain.finish(), whole(workers=2))
    assert kept(chain.work_dir) == ['epoch_3.pth', 'epoch_4.pth']
    assert 'Nothing to resume from' in chain.printed and 'is truncated' not in chain.printed


@pytest.mark.slow
def test_a_truncated_checkpoint_is_skipped(server, data, whole, tmp_path):
    chain = Chain(server, make_resumable(data), tmp_path / 'truncated')
    assert chain.start(kill('val', 6)) == -9  # in the validation of epoch 3
    newest = chain.work_dir / 'epoch_3.pth'
    newest.write_bytes(newest.read_bytes()[:-1000])
    assert_equal_ends(chain.finish(), whole())
    (line,) = [line for line in chain.printed.splitlines() if 'is truncated' in line]
    assert 'WARNING' in line
    assert 'epoch_3.pth' in line and line.index('is truncated') < line.index('epoch_2.pth')


@pytest.mark.slow
def test_full_disk(server, data, whole, tmp_path):
    chain = Chain(server, make_resumable(data), tmp_path / 'full')
    assert chain.start(dict(type='FullDisk', number=2)) == 1, chain.printed[-3000:]
    last = chain.printed.splitlines()[-1]
    assert last.startswith('error: the disk cannot be written to: ') and 'epoch_2.pth' in last
    assert 'No space left on device' in last and 'Traceback' not in chain.printed
    assert kept(chain.work_dir) == ['epoch_1.pth']
    assert_equal_ends(chain.finish(), whole())


@pytest.mark.slow
def test_work_dir_removed(server, data, tmp_path):
    chain = Chain(server, make_resumable(data), tmp_path / 'removed')
    assert chain.start(dict(type='RemoveWorkDir', iteration=6)) == 1, chain.printed[-3000:]
    last = chain.printed.splitlines()[-1]
    assert last.startswith('error: the work dir') and 'was removed during the run' in last
    assert 'Traceback' not in chain.printed
    assert not chain.work_dir.exists()


@pytest.mark.slow
@pytest.mark.skipif(not KILLS, reason='set DEEPRANK_KILLS=20: takes minutes')
@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('method', METHODS)
def test_random_kills(server, data, whole, tmp_path, method, workers):
    expected = whole(method, workers)
    events = (expected.work_dir / 'events.txt').read_text().split()
    rng = random.Random(f'{os.environ.get("DEEPRANK_KILL_SEED", 0)} {method} {workers}')
    killed, done, chains = [], 0, 0
    wanted = ['train', 'val', 'extract', 'labelled', 'save', 'write']  # each once, then any
    kinds = tuple(wanted)
    while done < KILLS:
        chain = Chain(server, make_resumable(data, method, workers), tmp_path / f'killed_{chains}')
        chains += 1
        while done < KILLS:
            if rng.random() < 0.4:
                kind, delay, hooks = 'moment', rng.uniform(0.2, 2.5), []
            else:
                kind = rng.choice(wanted or kinds)
                number = 1 if wanted else rng.randint(1, max(1, events.count(kind) // 3))
                delay, hooks = None, [kill(kind, number)]
            code = chain.start(*hooks, delay=delay)
            if code == 0:  # the run came to its end first
                break
            assert code == -9, chain.printed[-3000:]
            killed.append(kind)
            wanted = [other for other in wanted if other != kind]
            done += 1
        assert_equal_ends(chain.finish(), expected)
    print(f'{method}, {workers} workers: {chains} runs, killed in {killed}')
    assert not wanted or KILLS < 20
