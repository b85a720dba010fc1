"""The inferencer reads files, predicts as the functions do, and writes what is asked for."""

import json

import numpy as np
import pytest
from mmaction.structures import ActionDataSample
from PIL import Image

from deeprank_plugin.apis import SkeletonInferencer, inference_skeleton_sequence, name_actions
from deeprank_plugin.apis.inferencer import true_name
from deeprank_plugin.apis.timeline import to_timeline_record
from deeprank_plugin.datasets.class_names import CLASS_NAMES


@pytest.fixture(scope='module')
def inferencer(tiny):
    return SkeletonInferencer(tiny.config, tiny.checkpoint, 'cpu', show_progress=False)


def test_arrays_and_lists(tiny, inferencer):
    keypoints = [annotation['keypoint'] for annotation in tiny.test]
    expected = inference_skeleton_sequence(inferencer.model, keypoints, batch_size=4)
    result = inferencer(keypoints, batch_size=4, topk=2)
    assert result['visualization'] is None and len(result['predictions']) == 8
    for index, (found, prediction) in enumerate(zip(result['predictions'], expected)):
        assert found['frame_dir'] == str(index)
        assert found['label'] == prediction.label
        assert found['name'] == CLASS_NAMES['toy'][prediction.label]
        assert found['scores'] == prediction.scores.tolist()
        assert found['score'] == max(found['scores'])
        assert found['top'] == [list(entry) for entry in prediction.top(2)]
    (single,) = inferencer(keypoints[3], batch_size=1)['predictions']
    np.testing.assert_allclose(single['scores'], expected[3].scores, atol=1e-6)


def test_sequences_in_another_unit(tiny, inferencer):
    keypoint = tiny.test[3]['keypoint']
    (expected,) = inferencer(keypoint)['predictions']
    (found,) = inferencer(1000 * keypoint, scale=0.001)['predictions']
    np.testing.assert_allclose(found['scores'], expected['scores'], rtol=1e-3)


def test_files_and_what_is_written(tiny, inferencer, tmp_path):
    np.save(tmp_path / 'walk one.npy', tiny.test[1]['keypoint'][:, :5])
    result = inferencer(
        [str(tmp_path / 'walk one.npy'), tiny.test[0]['keypoint'][:, :4]],
        out_dir=tmp_path / 'out',
        vis=True,
    )
    written = sorted(
        p.relative_to(tmp_path / 'out').as_posix() for p in (tmp_path / 'out').rglob('*.*')
    )
    assert written == ['preds/1.json', 'preds/walk_one.json', 'vis/1.gif', 'vis/walk_one.gif']
    assert result['visualization'][0] == str(tmp_path / 'out' / 'vis' / 'walk_one.gif')
    stored = json.loads((tmp_path / 'out' / 'preds' / 'walk_one.json').read_text())
    assert stored == result['predictions'][0] and stored['frame_dir'] == 'walk one'
    with Image.open(result['visualization'][0]) as picture:
        assert picture.n_frames == 5


def test_windows_give_timelines_and_files(tiny, inferencer, tmp_path):
    recording = 0.2 * tiny.test[-1]['keypoint'][:, :6]
    np.save(tmp_path / 'hall one.npy', recording)
    options = dict(window=0.5, stride=0.25, fps=8)
    result = inferencer([tmp_path / 'hall one.npy'], out_dir=tmp_path, vis=True, **options)
    expected = name_actions(inferencer.model, recording, **options)
    (persons,) = result['predictions']
    assert len(persons) == 2 and all(timeline.name == 'hall one' for timeline in persons)
    assert [t.intervals for t in persons] == [t.intervals for t in expected]
    files = [tmp_path / 'vis' / f'hall_one.{kind}' for kind in ('png', 'gif')]
    assert result['visualization'] == list(map(str, files))
    with Image.open(files[1]) as picture:
        assert picture.n_frames == 6
    stored = json.loads((tmp_path / 'preds' / 'hall_one.json').read_text())
    assert stored == to_timeline_record(persons)


def test_windows_of_several_recordings_without_files(tiny, inferencer):
    recordings = [0.2 * annotation['keypoint'][:, :6] for annotation in tiny.test[-2:]]
    options = dict(window=0.5, stride=0.25, fps=8)
    result = inferencer(recordings, **options)
    assert [[t.name for t in persons] for persons in result['predictions']] == [['0'], ['1', '1']]
    assert result['visualization'] is None
    with pytest.raises(ValueError, match='return_datasamples=True and window'):
        inferencer(recordings, return_datasamples=True, **options)


def test_samples_in_place_of_dicts(tiny, inferencer):
    (found,) = inferencer(str(tiny.data.parent / 'data.pkl'), return_datasamples=True)[
        'predictions'
    ][:1]
    assert isinstance(found, ActionDataSample)
    expected = inference_skeleton_sequence(
        inferencer.model, [a['keypoint'] for a in tiny.annotations]
    )
    np.testing.assert_array_equal(found.pred_score.numpy(), expected[0].scores)


def test_progress_is_shown(tiny, capsys):
    inferencer = SkeletonInferencer(tiny.config, tiny.checkpoint, 'cpu')
    inferencer([annotation['keypoint'] for annotation in tiny.test], batch_size=2)
    printed = capsys.readouterr().out
    assert 'Inference' in printed and '100%' in printed


def test_what_cannot_be_done(tiny, inferencer, tmp_path):
    keypoint = tiny.test[0]['keypoint']
    with pytest.raises(ValueError, match='no out_dir'):
        inferencer(keypoint, vis=True)
    with pytest.raises(ValueError, match="cannot end in '.avi'"):
        inferencer(keypoint, vis=True, out_dir=tmp_path, vis_format='avi')
    with pytest.raises(ValueError, match='topk=0'):
        inferencer(keypoint, topk=0)
    with pytest.raises(ValueError, match='sequence 1 is zero'):
        inferencer([keypoint, keypoint * 0])
    with pytest.raises(FileNotFoundError, match="'no.py' does not exist"):
        SkeletonInferencer('no.py')
    with pytest.raises(TypeError, match='model is a NoneType'):
        SkeletonInferencer(None, tiny.checkpoint)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('device', ['cuda:99', 'abacus'])
def test_a_device_that_is_not_there(tiny, device):
    with pytest.raises(ValueError, match=f"device='{device}' cannot be used here"):
        SkeletonInferencer(tiny.config, tiny.checkpoint, device)


def test_frame_rates_of_annotations(tiny, inferencer, tmp_path):
    given = dict(keypoint=tiny.test[0]['keypoint'][:, :4], frame_dir='a')
    found = inferencer(dict(given, fps=None), out_dir=tmp_path, vis=True)['visualization']
    with Image.open(found[0]) as picture:
        assert picture.info['duration'] == 30  # of 30 frames per second
    with pytest.raises(ValueError, match="recording 'a': fps='fast'; expected a positive number"):
        inferencer(dict(given, fps='fast'), out_dir=tmp_path / 'no', vis=True)
    assert not (tmp_path / 'no').exists()
    inferencer(dict(given, fps='fast'))  # nobody asks for it
    inferencer(dict(given, fps='fast'), out_dir=tmp_path, vis=True, fps=10)


def test_the_true_class_has_the_name_that_its_file_gives_it():
    assert true_name(dict(label=1), ['a', 'b']) == 'b'
    assert true_name(dict(label=1, label_names=['x', 'y']), ['a', 'b']) == 'y'
    assert true_name(dict(label=2, label_names=['x', 'y']), ['a', 'b', 'c']) is None
    assert true_name(dict(label=-1), ['a', 'b']) is None
    for none in ([], np.array([], str), None):
        assert true_name(dict(label=1, label_names=none), ['a', 'b']) == 'b'
    found = true_name(dict(label=1, label_names=np.array(['x', 'y'])), ['a', 'b'])
    assert found == 'y' and type(found) is str
