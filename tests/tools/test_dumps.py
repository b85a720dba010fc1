"""Dumps are read as they are, checked, and never run."""

import os
import pickle

import numpy as np
import pytest
import torch
from dumps import load_predictions


def make(number=4, classes=3):
    scores = torch.rand(number, classes, generator=torch.Generator().manual_seed(0)).softmax(1)
    return [
        dict(
            frame_dir=f's{index}',
            pred_score=scores[index],
            pred_label=scores[index].argmax().view(1),
            gt_label=torch.tensor([index % classes]),
        )
        for index in range(number)
    ]


def write(path, samples):
    path.write_bytes(pickle.dumps(samples))
    return path


def test_probabilities_stay(tmp_path):
    samples = make()
    found = load_predictions(write(tmp_path / 'a.pkl', samples))
    assert found.names == ['s0', 's1', 's2', 's3'] and found.labels.tolist() == [0, 1, 2, 0]
    assert not found.were_logits
    expected = np.stack([sample['pred_score'].double().numpy() for sample in samples])
    assert (found.scores == expected).all()


@pytest.mark.parametrize('shift', [-2.0, -3.0])
def test_of_logits_the_softmax_is_taken_once(tmp_path, shift):
    samples = make()
    for sample in samples:
        sample['pred_score'] = sample['pred_score'] * 4 + shift
    found = load_predictions(write(tmp_path / 'a.pkl', samples))
    assert found.were_logits
    expected = np.stack([sample['pred_score'].double().softmax(0).numpy() for sample in samples])
    np.testing.assert_allclose(found.scores, expected)


def test_arrays_do_as_well(tmp_path):
    samples = make()
    for sample in samples:
        sample['pred_score'] = sample['pred_score'].numpy()
        sample['gt_label'] = int(sample['gt_label'])
    assert load_predictions(write(tmp_path / 'a.pkl', samples)).scores.shape == (4, 3)


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda s: s[1].pop('frame_dir'), r"1 of 4 samples.*'frame_dir'.*PackActionInputs"),
        (lambda s: s[1].pop('pred_score'), 'predictions of a classifier'),
        (lambda s: s[1].update(frame_dir='s0'), "'s0' occurs 2 times"),
        (lambda s: s[1].update(pred_score=torch.ones(2) / 2), 'shapes'),
        (lambda s: s[1]['pred_score'].fill_(float('nan')), "not finite.*'s1'"),
        (lambda s: s[1].update(gt_label=torch.tensor([3])), "'s1'.*class 3.*3 classes"),
        (lambda s: s.clear(), 'not a list of samples'),
    ],
)
def test_unsound_dumps(tmp_path, change, message):
    samples = make()
    change(samples)
    with pytest.raises(ValueError, match=message):
        load_predictions(write(tmp_path / 'a.pkl', samples))


def test_no_file_no_pickle(tmp_path):
    with pytest.raises(FileNotFoundError, match='--dump'):
        load_predictions(tmp_path / 'none.pkl')
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(make())[:-40])
    with pytest.raises(ValueError, match='rejected'):
        load_predictions(tmp_path / 'a.pkl')


class Run:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize('place', ['file', 'score', 'storage'])
def test_hostile_dumps_run_nothing(tmp_path, place):
    mark = tmp_path / 'ran'
    hostile = Run(os.mkdir, str(mark))
    samples = make()
    if place == 'file':
        samples = hostile
    elif place == 'score':
        samples[2]['pred_score'] = hostile
    else:  # inside the bytes that a tensor's storage is loaded from
        inner = tmp_path / 'inner.pth'
        torch.save(hostile, inner)
        samples[2]['pred_score'] = Run(torch.storage._load_from_bytes, inner.read_bytes())
    with pytest.raises(ValueError, match='rejected'):
        load_predictions(write(tmp_path / 'a.pkl', samples))
    assert not mark.exists()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_probabilities_stay(tmp_path, dtype):
    samples = make()
    for sample in samples:
        sample['pred_score'] = sample['pred_score'].to(dtype)
    found = load_predictions(write(tmp_path / 'a.pkl', samples))
    assert not found.were_logits
    assert (found.scores == np.stack([s['pred_score'].double().numpy() for s in samples])).all()


def test_sums_of_probabilities_are_not_guessed_at(tmp_path):
    samples = make()
    for sample in samples:
        sample['pred_score'] = 3 * sample['pred_score']
    path = write(tmp_path / 'a.pkl', samples)
    with pytest.raises(ValueError, match='0 of 4 rows.*--scores'):
        load_predictions(path)
    with pytest.raises(ValueError, match='expected all'):
        load_predictions(path, 'probabilities')
    assert load_predictions(path, 'logits').were_logits
    with pytest.raises(ValueError, match='twice'):
        load_predictions(write(path, make()), 'logits')


@pytest.mark.parametrize('label', [1.7, torch.tensor([1, 2]), 'walk'])
def test_labels_that_are_no_class(tmp_path, label):
    samples = make()
    samples[1]['gt_label'] = label
    with pytest.raises(ValueError, match="'s1' of .*a.pkl has gt_label"):
        load_predictions(write(tmp_path / 'a.pkl', samples))


@pytest.mark.parametrize('size, offset', [((1000,), 0), ((3,), 2)])
def test_a_tensor_beyond_its_storage(tmp_path, size, offset):
    storage = torch.ones(3)._typed_storage()
    samples = make()
    samples[1]['pred_score'] = Run(
        torch._utils._rebuild_tensor_v2, storage, offset, size, (1,), False, {}
    )
    with pytest.raises(ValueError, match='rejected'):
        load_predictions(write(tmp_path / 'a.pkl', samples))


def test_a_dump_cannot_change_functions_of_torch(tmp_path):
    before = torch._utils._rebuild_tensor_v2.__defaults__
    build = b'\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}X\x0c\x00\x00\x00__defaults__)s\x86b.'
    (tmp_path / 'a.pkl').write_bytes(build)
    try:
        with pytest.raises(ValueError):
            load_predictions(tmp_path / 'a.pkl')
        assert torch._utils._rebuild_tensor_v2.__defaults__ == before
    finally:
        torch._utils._rebuild_tensor_v2.__defaults__ = before
