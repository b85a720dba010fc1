"""One sequence, in all the ways that it comes."""

import io
import json
import os
import random

import numpy as np
import pytest

from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.converters.generic import Reading, read_sequence
from deeprank_plugin.layouts import find_layout
from tests.converters.generic.sequences import NTU, convert, walk


def test_axes_and_scale(tmp_path):
    array = walk(3, 8, 25, 2)  # C, T, V, M
    np.save(tmp_path / 'a.npy', array)
    sample = read_sequence(tmp_path / 'a.npy', NTU._replace(axes='CTVM', scale=0.001))
    assert sample['keypoint'].shape == (2, 8, 25, 3)
    assert sample['keypoint'][1, 2, 3, 0] == np.float32(array[0, 2, 3, 1] * 0.001)


def test_kinect_v1_becomes_ntu(tmp_path):
    array = walk(4, 20, 3)
    np.save(tmp_path / 'a.npy', array)
    keypoint = read_sequence(tmp_path / 'a.npy', Reading(find_layout('kinect-v1')))['keypoint']
    neck = array[:, 2] + 0.35 * (array[:, 3] - array[:, 2])
    np.testing.assert_allclose(keypoint[0, :, 2], neck, rtol=1e-6)
    assert keypoint.shape == (1, 4, 25, 3)


def test_planar_with_scores_and_own_layout(tmp_path):
    coco = Reading(find_layout('coco'), channels=2)
    np.savez(tmp_path / 'a.npz', keypoint=walk(5, 17, 2) * 100, keypoint_score=np.ones((5, 17)))
    sample = read_sequence(tmp_path / 'a.npz', coco)
    assert sample['keypoint'].shape == (1, 5, 17, 2)
    assert sample['keypoint_score'].shape == (1, 5, 17)
    path = tmp_path / 'arm.json'
    path.write_text(json.dumps(dict(num_node=3, edges=[[0, 1], [1, 2]], center=0)))
    np.save(tmp_path / 'b.npy', walk(5, 3, 3))
    own = Reading(find_layout(str(path)))
    assert read_sequence(tmp_path / 'b.npy', own)['keypoint'].shape == (1, 5, 3, 3)
    with pytest.raises(BrokenFile, match='expects none: remove it'):
        np.savez(tmp_path / 'c.npz', keypoint=walk(5, 3, 3), keypoint_score=np.ones((5, 3)))
        read_sequence(tmp_path / 'c.npz', own)


@pytest.mark.parametrize(
    'line, message',
    [
        ('0.1,' * 74 + 'nan', "c.csv, line 2, number 75 is 'nan'"),
        ('0.1,' * 73 + '0.2', 'c.csv has 74 numbers per frame; expected 75 per body'),
        ('', 'c.csv holds only a header'),
    ],
)
def test_broken_csv(folder, line, message):
    folder, _ = folder
    (folder / 'deep' / 'c.csv').write_text('x,y,z\n' + line + '\n')
    with pytest.raises(BrokenFile, match=message):
        convert(folder)


def test_damaged_files_give_the_documented_error_only(tmp_path):
    """DEEPRANK_FUZZ=100000 tries as many."""
    rng = random.Random(1)
    whole = {}
    for ending, write in (('.npy', np.save), ('.npz', np.savez)):
        buffer = io.BytesIO()
        write(buffer, walk(2, 25, 3))
        whole[ending] = buffer.getvalue()
    whole['.csv'] = '\n'.join(','.join('0.5' for _ in range(75)) for _ in range(3)).encode()
    rejected = 0
    for _ in range(int(os.environ.get('DEEPRANK_FUZZ', 600))):
        ending = rng.choice(list(whole))
        data = bytearray(whole[ending])
        for _ in range(rng.randint(1, 6)):
            place = rng.randrange(len(data))
            if rng.random() < 0.7:
                data[place] = rng.randrange(256)
            else:
                del data[place:]
            if not data:
                break
        path = tmp_path / f'a{ending}'
        path.write_bytes(data)
        try:
            sample = read_sequence(path, NTU)
        except BrokenFile:
            rejected += 1
        else:
            assert np.isfinite(sample['keypoint']).all()
    assert rejected
