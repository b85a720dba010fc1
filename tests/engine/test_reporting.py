"""What is logged at a relabelling: from features and classes, without a training run."""

from collections import Counter
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import HistoryBuffer

from deeprank_plugin.engine.extraction import Extracted
from deeprank_plugin.engine.reporting import (
    format_metrics,
    log_separate_samples,
    measure_clusters,
    measure_features,
    report,
)
from deeprank_plugin.evaluation.functional import feature_health

NAMES = list('abcdefgh')
LABELS = torch.tensor([0, 0, 1, 1, 0, 0, 1, -1])


def make_runner(**scalars):
    """A runner that notes what is logged."""
    logged = []
    buffers = {}
    for key, values in scalars.items():
        buffers[key.replace('__', '/')] = HistoryBuffer(values, [1] * len(values))
    return SimpleNamespace(
        epoch=7,
        timestamp='now',
        train_dataloader=[None] * 2,
        message_hub=SimpleNamespace(log_scalars=buffers),
        logger=SimpleNamespace(
            info=lambda text: logged.append(('info', text)),
            warning=lambda text: logged.append(('warning', text)),
        ),
        visualizer=SimpleNamespace(add_scalars=lambda *args, **kw: logged.append((args, kw))),
        logged=logged,
    )


def test_features_of_one_and_of_several_encoders():
    features = torch.randn(8, 2, 5)
    one = Extracted(features[:, 0], NAMES, LABELS)
    assert measure_features(None, one) == feature_health(features[:, 0], LABELS)
    several = measure_features(
        SimpleNamespace(modalities=('bone', 'joint')), Extracted(features, NAMES, LABELS)
    )
    assert Counter(key.split('/')[0] for key in several) == dict(bone=4, joint=4)
    assert several['joint/knn'] == feature_health(features[:, 1], LABELS)['knn']
    unknown = Extracted(features[:, 0], NAMES, torch.full((8,), -1))
    expected = {'spread', 'effective_rank', 'effective_rank_var'}
    assert set(measure_features(None, unknown)) == expected


def test_clusters_are_compared_with_the_known_classes():
    extracted = Extracted(torch.randn(8, 5), NAMES, LABELS)
    same = SimpleNamespace(pseudo_labels=torch.tensor([3, 3, 0, 0, 3, 3, 0, 3]))
    assert measure_clusters(same, extracted) == dict(nmi_true=pytest.approx(1))
    alike = SimpleNamespace(pseudo_labels=torch.zeros(8, dtype=torch.long))
    assert measure_clusters(alike, extracted) == dict(nmi_true=pytest.approx(0))
    assert measure_clusters(SimpleNamespace(), extracted) == {}
    assert measure_clusters(same, extracted._replace(labels=torch.full((8,), -1))) == {}


def test_report_adds_the_last_epoch_and_validation():
    runner = make_runner(
        train__loss_rank=[9.0, 1.0, 2.0],
        train__joint__acc_self=[0.5],
        train__lr=[0.1],
        val__rank__loss=[3.0, 4.0],
        val__rank__joint__acc_self=[0.25],
        val__rank__num_triplets=[6],
        val__time=[1.0],
    )
    report(runner, 2, {'spread': torch.tensor(0.5), 'joint/spread': 0.25})
    (_, text), (((scalars,), where)) = runner.logged
    assert scalars == {
        'relabel/round': 2,
        'relabel/spread': 0.5,
        'relabel/joint/spread': 0.25,
        'relabel/train_loss_rank': 1.5,  # the mean of the last epoch, of two batches
        'relabel/joint/train_acc_self': 0.5,
        'relabel/val_loss': 4.0,
        'relabel/joint/val_acc_self': 0.25,
    }
    assert where == dict(step=7, file_path='now.json')
    assert text.startswith('Relabel [epoch 7]  round: 2  spread: 0.5  train_loss_rank: 1.5')


def test_collapse_is_warned_of_by_stream():
    runner = make_runner()
    report(runner, 0, {'joint/spread': 0.3, 'bone/spread': 0.001})
    warnings = [text for kind, text in runner.logged if kind == 'warning']
    assert len(warnings) == 1 and 'bone/spread 0.001; expected 0.01 or more' in warnings[0]


def test_format_has_a_line_for_each_stream():
    text = format_metrics({'round': 1, 'joint/a': 0.25, 'bone/a': 1e-7, 'joint/b': 2.0})
    assert text == 'round: 1\n    joint:  a: 0.25  b: 2\n    bone:  a: 1e-07'


def test_processes_that_compare_apart(monkeypatch):
    monkeypatch.setattr('deeprank_plugin.engine.reporting.get_world_size', lambda: 2)
    for gather, number in ((False, 1), (True, 0), (None, 0)):
        runner = make_runner()
        log_separate_samples(runner, SimpleNamespace(gather=gather))
        assert len(runner.logged) == number
