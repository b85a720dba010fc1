"""fuse_scores.py: by name, with its files and errors."""

import csv
import json
import pickle
import re

import numpy as np
import pytest
import torch
from helpers import run_tool

pytestmark = pytest.mark.slow


def fuse(*arguments):
    return run_tool('analysis/fuse_scores.py', *arguments)


def make(path, seed, order=range(12), change=None):
    scores = torch.randn(12, 6, generator=torch.Generator().manual_seed(seed)).softmax(1)
    samples = [
        dict(frame_dir=f's{i}', pred_score=scores[i], gt_label=torch.tensor([i % 6]), sample_idx=9)
        for i in order
    ]
    if change is not None:
        change(samples)
    path.write_bytes(pickle.dumps(samples))
    return scores.double().numpy()


def test_streams_in_another_order(tmp_path):
    first = make(tmp_path / 'joint.pkl', 1)
    second = make(tmp_path / 'bone.pkl', 2, order=reversed(range(12)))
    (tmp_path / 'names.txt').write_text('\n'.join('abcdef'))
    out = tmp_path / 'out'
    result = fuse(
        *(tmp_path / 'joint.pkl', tmp_path / 'bone.pkl', '--weights', 2, 1),
        *('--out-dir', out, '--names', tmp_path / 'names.txt'),
    )
    assert result.returncode == 0, result.stderr
    total = 2 * first + second
    labels = np.arange(12) % 6
    right = total.argmax(axis=1) == labels
    content = json.loads((out / 'fused.json').read_text())
    assert content['fusion']['top1'] == pytest.approx(right.mean())
    assert content['num_samples'] == 12 and content['weights'] == [2, 1]
    singles = [content['streams'][str(tmp_path / f'{n}.pkl')]['top1'] for n in ('joint', 'bone')]
    for single, scores in zip(singles, (first, second)):
        assert single == pytest.approx((scores.argmax(axis=1) == labels).mean())
    rows = list(csv.DictReader((out / 'per_class.csv').open()))
    assert [row['name'] for row in rows] == list('abcdef')
    for index, row in enumerate(rows):
        assert float(row['fusion']) == pytest.approx(right[labels == index].mean(), abs=1e-6)
    confusion = np.array(list(csv.reader((out / 'confusion.csv').open())))[1:, 1:].astype(int)
    assert confusion.sum() == 12 and confusion.trace() == right.sum()
    assert (out / 'confusion.png').read_bytes().startswith(b'\x89PNG')
    assert f'{100 * right.mean():.2f}' in result.stdout

    again = fuse(out / 'fused.pkl', '--out-dir', tmp_path / 'again')
    assert again.returncode == 0, again.stderr
    repeated = json.loads((tmp_path / 'again' / 'fused.json').read_text())
    assert repeated['fusion'] == content['fusion']


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda s: s.pop(3), "1 samples are not in .*bone.pkl, the first is 's3'"),
        (lambda s: s[3].update(frame_dir='other'), "not in .*bone.pkl, the first is 's3'"),
        (lambda s: s.append(dict(s[0], frame_dir='more')), "not in .*joint.pkl.*'more'"),
        (lambda s: s[3].update(gt_label=torch.tensor([1])), "'s3' has class 3 .* 1 in"),
        (lambda s: [x.update(pred_score=torch.ones(7) / 7) for x in s], '6 classes and .* 7'),
    ],
)
def test_streams_that_do_not_fit(tmp_path, change, message):
    make(tmp_path / 'joint.pkl', 1)
    make(tmp_path / 'bone.pkl', 2, change=change)
    result = fuse(tmp_path / 'joint.pkl', tmp_path / 'bone.pkl', '--out-dir', tmp_path / 'out')
    assert result.returncode == 2
    assert re.search(message, result.stderr), result.stderr
    assert not (tmp_path / 'out').exists()


def test_errors_before_anything_is_written(tmp_path):
    joint = tmp_path / 'joint.pkl'
    make(joint, 1)
    twice = fuse(joint, joint, '--out-dir', tmp_path / 'out')
    assert twice.returncode == 2 and 'given 2 times' in twice.stderr
    assert not (tmp_path / 'out').exists()
    own = tmp_path / 'fused.pkl'
    make(own, 2)
    before = own.read_bytes()
    replaced = fuse(own, joint, '--out-dir', tmp_path)
    assert replaced.returncode == 2 and 'would be overwritten' in replaced.stderr
    assert own.read_bytes() == before
    blocked = fuse(joint, '--out-dir', joint / 'below')
    assert blocked.returncode == 2 and '--out-dir' in blocked.stderr


def test_what_the_scores_were_is_said(tmp_path):
    make(tmp_path / 'p.pkl', 1)
    make(
        tmp_path / 'l.pkl',
        2,
        change=lambda s: [x.update(pred_score=x['pred_score'].log()) for x in s],
    )
    out = tmp_path / 'out'
    result = fuse(tmp_path / 'p.pkl', tmp_path / 'l.pkl', '--out-dir', out)
    assert result.returncode == 0, result.stderr
    streams = json.loads((out / 'fused.json').read_text())['streams']
    assert [s['scores'] for s in streams.values()] == ['probabilities', 'logits']
    assert 'p.pkl holds probabilities.' in result.stdout and 'l.pkl holds logits' in result.stdout
