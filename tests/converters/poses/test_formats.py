"""Formats are recognised by content; what is none, or another, is rejected with what it is."""

import json
from pathlib import Path

import numpy as np
import pytest

from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.converters.poses.formats import FILES, find_recordings, read_recording
from tests.converters.poses import files

COCO = files.walk(1, 3, 17, 2)
CONTENTS = {
    'mmpose': files.mmpose(COCO),
    'alphapose': files.alphapose(COCO),
    'mediapipe': files.mediapipe(files.walk(1, 3, 33, 3)),
    'azure-kinect': files.azure(files.walk(1, 3, 32, 3)),
}


@pytest.mark.parametrize(
    'form, layout',
    [
        ('mmpose', 'coco'),
        ('alphapose', 'coco'),
        ('mediapipe', 'mediapipe'),
        ('azure-kinect', 'azure-kinect'),
    ],
)
def test_each_format_is_recognised_by_its_content(tmp_path, form, layout):
    path = files.write(tmp_path / 'a.json', CONTENTS[form])
    assert [name for name, module in FILES.items() if module.matches(CONTENTS[form])] == [form]
    recording, found = read_recording(path)
    assert found.name == layout and len(recording.frames) == 3
    assert read_recording(path, form)[1] == found
    other = 'mmpose' if form != 'mmpose' else 'alphapose'
    with pytest.raises(BrokenFile, match=f'looks like {form}; expected {other}: set --format'):
        read_recording(path, other)


@pytest.mark.parametrize('joints, layout', [(25, 'body25'), (18, 'openpose')])
def test_a_folder_of_openpose(tmp_path, joints, layout):
    poses = files.walk(2, 11, joints, 2)
    recording, found = read_recording(files.openpose(tmp_path, poses, first=5))
    assert found.name == layout and list(recording.frames) == list(range(5, 16))
    np.testing.assert_array_equal(recording.frames[15][1].keypoint, poses[1, 10])


def test_a_folder_of_images_of_mmpose(tmp_path):
    for t in range(3):
        files.write(tmp_path / f'{t}.json', [files.instance(COCO[0, t])] if t else [])
    recording, layout = read_recording(tmp_path)
    assert layout.name == 'coco' and recording.counts['empty'] == 1


def test_recordings_of_a_folder(tmp_path):
    files.write(tmp_path / 'anna' / '1.json', CONTENTS['mmpose'])
    files.write(tmp_path / 'ben.2.json', CONTENTS['alphapose'])
    files.openpose(tmp_path / 'clips' / 'x', files.walk(1, 3, 25, 2))
    (tmp_path / 'broken.json').write_text('[')
    found = find_recordings(tmp_path)
    assert sorted(found) == ['anna/1.json', 'ben.2.json', 'broken.json', 'clips/x']
    assert list(find_recordings(found['clips/x'])) == ['x']
    assert find_recordings(found['ben.2.json']) == {'ben.2.json': tmp_path / 'ben.2.json'}
    with pytest.raises(BrokenFile, match='does not exist'):
        find_recordings(tmp_path / 'nobody')
    (tmp_path / 'none').mkdir()
    with pytest.raises(BrokenFile, match='holds no .json file'):
        find_recordings(tmp_path / 'none')


@pytest.mark.parametrize(
    'content, message',
    [
        ({'a': 1}, 'an object with a; expected mmpose, openpose, alphapose, mediapipe'),
        ([[1, 2]], 'a list of 1 entries'),
        ({'people': []}, 'the persons of one image; expected a recording: name the folder'),
        (7, "'7'"),
    ],
)
def test_files_of_no_format(tmp_path, content, message):
    with pytest.raises(BrokenFile, match=message):
        read_recording(files.write(tmp_path / 'a.json', content))


def test_folders_of_several_formats(tmp_path):
    files.openpose(tmp_path, files.walk(1, 2, 25, 2))
    files.write(tmp_path / 'clip_3.json', [files.instance(COCO[0, 0])])
    with pytest.raises(BrokenFile, match='clip_3.json is a list .* as in the other files of'):
        read_recording(tmp_path)
    first = tmp_path / 'clip_000000000001_keypoints.json'
    (tmp_path / 'clip_3.json').rename(tmp_path / 'clip_01.json').write_text(first.read_text())
    with pytest.raises(BrokenFile, match='is frame 1, and so is another file'):
        read_recording(tmp_path)


def test_a_truncated_frame(tmp_path):
    files.openpose(tmp_path, files.walk(1, 3, 25, 2))
    path = tmp_path / 'clip_000000000001_keypoints.json'
    path.write_text(path.read_text()[:50])
    with pytest.raises(BrokenFile, match='clip_000000000001_keypoints.json is not complete JSON'):
        read_recording(tmp_path)


@pytest.mark.parametrize('joints', [26, 133, 136])
def test_larger_skeletons_lose_what_is_not_the_body(tmp_path, joints):
    poses = files.walk(1, 3, joints, 2)
    recording, layout = read_recording(files.write(tmp_path / 'a.json', files.mmpose(poses)))
    assert layout.name == 'coco' and recording.counts['body'] == 1
    np.testing.assert_array_equal(recording.frames[0][0].keypoint, poses[0, 0, :17])
    assert recording.frames[0][0].score.shape == (17,)


@pytest.mark.parametrize(
    'joints, name, expected',
    [
        (17, 'ap10k', '17 joints x 2 coordinates .ap10k.; expected 17 x 2 .coco., 17 x 3 .h36m.'),
        (17, 'h36m', 'h36m'),
        (21, None, 'a.json has 21 joints x 2 coordinates; .*describe the joints with --layout'),
    ],
)
def test_joints_of_no_known_layout(tmp_path, joints, name, expected):
    poses = files.walk(1, 3, joints, 2)
    content = dict(instance_info=files.mmpose(poses))
    content['meta_info'] = {} if name is None else dict(dataset_name=name)
    with pytest.raises(BrokenFile, match=expected):
        read_recording(files.write(tmp_path / 'a.json', content))


def test_a_layout_of_ones_own(tmp_path):
    layout = files.write(tmp_path / 'arm.json', dict(num_node=3, edges=[[0, 1], [1, 2]], center=0))
    path = files.write(tmp_path / 'a.json', files.mmpose(files.walk(1, 3, 3, 2)))
    assert read_recording(path, layout=str(layout))[1].num_joints == 3
    with pytest.raises(BrokenFile, match="layout 'nturgb.d', 25 joints x 3: correct --layout"):
        read_recording(path, layout='nturgb+d')
    with pytest.raises(BrokenFile, match='expected 3 coordinates: leave --dims out'):
        read_recording(path, dims=3)


def test_a_file_of_the_list_that_does_not_exist():
    with pytest.raises(BrokenFile, match='does not exist; expected poses: add them'):
        read_recording(Path('nobody.json'))


def test_nan_is_read(tmp_path):
    poses = COCO.copy()
    poses[0, 1, 4] = np.nan
    path = files.write(tmp_path / 'a.json', files.mmpose(poses))
    assert 'NaN' in path.read_text() and json.loads(path.read_text())
    assert read_recording(path)[0].counts['broken'] == 1


@pytest.mark.parametrize('content', [[], dict(joint_names=[], frames=[])])
def test_a_recording_without_frames(tmp_path, content):
    path = files.write(tmp_path / 'a.json', content)
    with pytest.raises(BrokenFile, match='a.json holds no frame; expected the poses'):
        read_recording(path)
