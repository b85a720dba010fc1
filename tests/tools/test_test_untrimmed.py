"""The tool from recordings with segments to a table, metrics.json and detections.json."""

import functools
import json
import pickle

import numpy as np
import pytest

from deeprank_plugin.evaluation.functional import Detection, Segment, detection_map


@pytest.fixture
def run(call_tool, tiny_model, tmp_path, monkeypatch):
    """Run the tool in this process: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    model = tiny_model / 'config.py', tiny_model / 'weights.pth'
    options = '--out-dir', 'out', '--window', '1', '--stride', '0.5', '--fps', '10'
    return functools.partial(call_tool, 'test_untrimmed.py', *model, *options)


@pytest.fixture
def recordings(tmp_path):
    """Two recordings of 40 frames, made of four still poses each."""
    rng = np.random.default_rng(0)
    annotations = []
    for name in 'ab':
        poses = rng.normal(scale=0.3, size=(1, 4, 25, 3)).astype(np.float32)
        annotations.append(
            dict(
                frame_dir=name,
                total_frames=40,
                keypoint=np.repeat(poses, 10, axis=1),
                segments=[(0, 10, 3), (10, 40, 'action 7')],
            )
        )
    content = dict(split=dict(some=['a']), annotations=annotations)
    (tmp_path / 'long.pkl').write_bytes(pickle.dumps(content))
    return annotations


def test_scores_its_detections(run, recordings, tmp_path):
    code, out, err = run('long.pkl', '--split', 'all', '--theta', '0.2', '0.5')
    assert code == 0, err
    records = json.loads((tmp_path / 'out' / 'detections.json').read_text())
    assert records and all(r['name'] == f'action {r["label"]}' for r in records)
    # every frame belongs to a detection
    for video in 'ab':
        own = [(r['start'], r['end']) for r in records if r['video'] == video]
        assert own[0][0] == 0 and own[-1][1] == 40
        assert [end for _, end in own[:-1]] == [start for start, _ in own[1:]]
    metrics = json.loads((tmp_path / 'out' / 'metrics.json').read_text())
    detections = [
        Detection(*(r[key] for key in ('video', 'start', 'end', 'label', 'score'))) for r in records
    ]
    truths = [Segment(v, s, e, n) for v in 'ab' for s, e, n in ((0, 10, 3), (10, 40, 7))]
    assert [r['theta'] for r in metrics['results']] == [0.2, 0.5]
    for result in metrics['results']:
        expected = detection_map(detections, truths, result['theta'])
        assert (result['mAP_a'], result['mAP_v']) == (expected['mAP_a'], expected['mAP_v'])
        assert result['by_video'] == expected['by_video']
        assert list(result['by_action']) == ['action 3', 'action 7']
        assert f'{result["theta"]:5.2f} | {expected["mAP_a"]:5.3f}' in out
    assert f'2 recordings, 4 actions, {len(records)} detections' in out


def test_training_recordings_are_not_scored_unasked(run, recordings, tmp_path):
    code, _, err = run('long.pkl')
    assert code == 2 and "has the splits ['some'] and none is named" in err
    assert not (tmp_path / 'out' / 'metrics.json').exists()
    assert run('long.pkl', '--split', 'some')[0] == 0
    metrics = json.loads((tmp_path / 'out' / 'metrics.json').read_text())
    assert (metrics['file'], metrics['split']) == ('long.pkl', 'some')
    assert metrics['checkpoint'].endswith('weights.pth')


def test_classes_in_another_order_are_rejected(run, recordings, tmp_path):
    names = [f'action {i}' for i in range(12)][::-1]
    content = dict(split=dict(), annotations=recordings, label_names=names)
    (tmp_path / 'other.pkl').write_bytes(pickle.dumps(content))
    code, _, err = run('other.pkl')
    assert code == 2 and "class 0 is 'action 0' in the checkpoint and 'action 11' in the" in err
    (tmp_path / 'truth.csv').write_text('file,start,end,label\na,0,1,action 3\nb,0,1,3\n')
    code, _, err = run('other.pkl', '--truth', 'truth.csv')
    assert code == 0, err  # that has the numbers and names of the model
    option = 'default_hooks.strict_load.allow_other=[classes]'
    code, _, err = run('other.pkl', '--cfg-options', option)
    assert code == 0, err


def test_a_perfect_csv_of_its_own_detections(run, recordings, tmp_path):
    run('long.pkl', '--split', 'all')
    records = json.loads((tmp_path / 'out' / 'detections.json').read_text())
    lines = [f'{r["video"]},{r["start"] / 10},{r["end"] / 10},{r["name"]}' for r in records]
    (tmp_path / 'truth.csv').write_text('\n'.join(['file,start,end,label', *lines]) + '\n')
    code, out, err = run('long.pkl', '--split', 'all', '--truth', 'truth.csv', '--theta', '1')
    assert code == 0 and ' 1.00 | 1.000 | 1.000' in out, err
    code, out, _ = run('long.pkl', '--truth', 'truth.csv', '--split', 'some', '--theta', '1')
    assert code == 2  # the file names a recording that is not in the split
    code, out, err = run('long.pkl', '--split', 'all', '--threshold', '1', '--rule', 'script')
    assert code == 0 and '0 detections' in out and ' 0.50 | 0.000 | 0.000' in out


def test_a_recording_without_an_action_is_told(run, recordings, tmp_path):
    (tmp_path / 'truth.csv').write_text('file,start,end,label\na,0,9,3\n')
    code, _, err = run('long.pkl', '--split', 'all', '--truth', 'truth.csv', '--in-frames')
    assert code == 0 and "1 of 2 recordings, such as 'b', have no segment" in err


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('none.pkl',), 'none.pkl does not exist'),
        (('long.pkl', '--split', 'all', '--truth', 'none.csv'), 'none.csv cannot be read'),
        (('long.pkl', '--split', 'other'), "split 'other' is not in long.pkl"),
        (
            ('long.pkl', '--split', 'some', '--stride', '1.1'),
            'stride=1.1 seconds at fps=10 is 11 frames and a window',
        ),
        (('long.pkl', '--split', 'some', '--theta', '0'), 'theta=0.0; expected an overlap above 0'),
        (('long.pkl', '--in-frames'), '--in-frames is for the times of --truth'),
        (('long.pkl', '--batch-size', '0'), '--batch-size 0: expected more than 0'),
        (('long.pkl', '--threshold', 'nan'), '--threshold nan: expected a probability'),
        (('bare.npy',), "recording 'bare' of bare.npy has no segments"),
        (('joints.npy',), 'has 20 joints and layout'),
    ],
)
def test_mistakes_are_one_sentence(run, recordings, tmp_path, arguments, message):
    np.save(tmp_path / 'bare.npy', recordings[0]['keypoint'])
    np.save(tmp_path / 'joints.npy', recordings[0]['keypoint'][:, :, :20])
    code, _, err = run(*arguments)
    assert code == 2 and message in err.splitlines()[-1], err
