"""A folder of recordings, with or without a list, becomes annotations."""

import numpy as np
import pytest

from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.converters.poses import Settings, convert_recordings
from deeprank_plugin.datasets import SkeletonDataset
from deeprank_plugin.datasets.annotation_writing import write_pickle
from tests.converters.poses import files

SPARE = '{0}/poses are not in {0}/list.csv'
SETTINGS = Settings(fps=10, img_shape=(480, 640))


@pytest.fixture
def folder(tmp_path):
    """Three recordings of 30 frames, in two folders and formats."""
    poses = [files.walk(1, 30, 17, 2, size=100) for _ in range(3)]
    files.write(tmp_path / 'poses' / 'anna' / '1.json', files.mmpose(poses[0]))
    files.write(tmp_path / 'poses' / 'anna' / '2.json', files.mmpose(poses[1]))
    files.write(tmp_path / 'poses' / 'ben.json', files.alphapose(poses[2]))
    return tmp_path


def convert(folder, lines=None, settings=SETTINGS, **options):
    path = None
    if lines is not None:
        path = folder / 'list.csv'
        path.write_text('\n'.join(lines))
    content, layout, faults, doubts = convert_recordings(
        folder / 'poses', settings, path, workers=1, **options
    )
    names = [annotation['frame_dir'] for annotation in content['annotations']]
    return content, names, faults, doubts, layout


WHOLE = ['file,label,subject', 'anna/1.json,up,a', 'anna/2.json,down,a', 'ben.json,up,b']
PARTS = [
    'file,label,start,end,split',
    *('anna/1.json,up,0,1,train', 'anna/1.json,down,1,2,train', 'ben.json,up,0.5,2,val'),
]


def test_whole_recordings(folder):
    content, names, faults, doubts, layout = convert(folder, WHOLE, train_subjects=['a'])
    assert names == ['anna/1', 'anna/2', 'ben'] and faults == doubts == []
    assert content['split'] == dict(xsub_train=['anna/1', 'anna/2'], xsub_val=['ben'])
    assert content['label_names'] == ['down', 'up'] and layout.name == 'coco'
    assert [a['label'] for a in content['annotations']] == [1, 0, 1]
    write_pickle(content, folder / 'out.pkl')
    data = SkeletonDataset(str(folder / 'out.pkl'), pipeline=[], split='xsub_val', layout='coco')
    assert len(data) == 1 and data.metainfo['classes'] == ['down', 'up']


def test_parts(folder):
    content, names, _, doubts, _ = convert(folder, PARTS, split_column='split')
    assert names == ['anna/1_001', 'anna/1_002', 'ben_001']
    assert content['split'] == dict(train=names[:2], val=names[2:])
    assert [a['total_frames'] for a in content['annotations']] == [10, 10, 15]
    (doubt,) = doubts
    assert doubt.startswith('1 recordings of') and doubt.endswith('list.csv')


def test_a_list_of_a_single_recording(folder):
    clip = files.openpose(folder / 'poses' / 'clip', files.walk(1, 30, 18, 2, size=100))
    path = folder / 'list.csv'
    path.write_text('file,label,start,end\nclip,up,0,1\nclip,down,1,2\n')
    content, *_ = convert_recordings(clip, SETTINGS, path, workers=1)
    assert [a['frame_dir'] for a in content['annotations']] == ['clip_001', 'clip_002']


def test_class_numbers_of_another_file(folder):
    names = ['sit', 'up', 'down']
    content, *_ = convert(folder, WHOLE, classes=names)
    assert [a['label'] for a in content['annotations']] == [1, 2, 1]
    assert content['label_names'] == names and list(content['split']) == ['all']


def test_without_labels_to_predict_on(folder):
    content, names, _, doubts, _ = convert(folder)
    assert sorted(names) == ['anna/1', 'anna/2', 'ben'] and doubts == []
    assert content['split'] == dict(all=names) and 'label_names' not in content
    assert not any('label' in annotation for annotation in content['annotations'])


def test_without_labels_to_pretrain_on(folder):
    settings = SETTINGS._replace(cut=1.0)
    content, names, *_ = convert(folder, settings=settings, val_share=0.4)
    assert len(names) == 9 and content['label_names'] == ['unknown']
    assert {a['label'] for a in content['annotations']} == {0}
    parts = content['split']
    recordings = [{name[:-4] for name in parts[split]} for split in ('train', 'val')]
    assert [len(r) for r in recordings] == [2, 1] and not recordings[0] & recordings[1]
    again = convert(folder, ['file', 'ben.json', 'anna/1.json'], val_share=0.5)[0]
    assert again['label_names'] == ['unknown'] and len(again['split']['train']) == 1


def test_what_is_odd_is_counted(folder):
    content = files.mmpose(files.walk(3, 30, 17, 2, size=100))
    content[3]['instances'] = []
    content[5]['instances'][0]['keypoints'][2] = [float('nan'), 1.0]
    files.write(folder / 'poses' / 'anna' / '2.json', content[:10] + content[12:])
    doubts = convert(folder)[3]
    expected = [
        '2 frames are missing from the numbering',
        '1 frames show nobody',
        '1 joints are NaN, infinite or beyond 1e9',
        '1 persons beyond --max-persons are left out',
    ]
    assert len(doubts) == 4 and all(map(str.startswith, doubts, expected))
    assert doubts[0].endswith('anna/2.json)')
    files.write(folder / 'poses' / 'ben.json', content[:4])
    assert '3 frames' not in convert(folder)[3][0]
    assert 'frames show nobody (2 recordings, such as' in convert(folder)[3][1]


def test_broken_recordings(folder):
    (folder / 'poses' / 'ben.json').write_text('[{"frame_id"')
    with pytest.raises(BrokenFile, match='ben.json is not complete JSON .*--skip-bad'):
        convert(folder)
    _, names, faults, _, _ = convert(folder, skip_bad=True)
    assert names == ['anna/1', 'anna/2'] and len(faults) == 1
    with pytest.raises(BrokenFile, match="split 'xsub_val' has no sample left"):
        convert(folder, WHOLE, skip_bad=True, train_subjects=['a'])
    for path in (folder / 'poses' / 'anna').iterdir():
        path.write_text('')
    with pytest.raises(BrokenFile, match="split 'all' has no sample left"):
        convert(folder, skip_bad=True)


def test_recordings_of_two_layouts(folder):
    files.openpose(folder / 'poses' / 'clip', files.walk(1, 5, 18, 2))
    with pytest.raises(BrokenFile, match="joints of 'coco' and .*clip those of 'openpose'"):
        convert(folder)
    assert convert(folder, settings=SETTINGS._replace(to_layout='coco'))[4].name == 'coco'


def test_recordings_of_one_name(folder):
    files.write(folder / 'poses' / 'anna' / '1' / 'x.json', files.mmpose(files.walk(1, 3, 17, 2)))
    files.openpose(folder / 'poses' / 'ben', files.walk(1, 5, 18, 2))
    with pytest.raises(BrokenFile, match="has 'ben' more than once"):
        convert(folder)


@pytest.mark.parametrize(
    'lines, options, message',
    [
        (['file,start', 'ben.json,1'], {}, 'line 1 has one of start and end; expected both'),
        (['file,start,end', 'ben.json,2,1'], {}, "line 2 has start '2' and end '1'"),
        (['file,start,end', 'ben.json,1,'], {}, "line 2 has start '1' and end ''"),
        (['file,start,end', 'ben.json,-1,2'], {}, 'expected numbers from 0'),
        (['file', 'ben.json', 'ben.json'], {}, "lines 2 and 3 both make sample 'ben'"),
        (['file,label', 'ben.json,'], {}, 'line 2 has no label'),
        (['file', 'carl.json'], {}, 'carl.json does not exist; expected poses'),
        (WHOLE, dict(train_subjects=['x']), "train subject 'x' is not in"),
        (WHOLE, dict(train_subjects=['a'], val_share=0.5), 'expected one way to split'),
        (WHOLE, dict(val_share=1.0), 'expected a share between 0 and 1'),
        (['file', 'ben.json'], dict(val_share=0.5), 'leaves none for training'),
        (WHOLE, dict(classes=['up']), "label 'down', which is not among the 1 given classes"),
    ],
)
def test_wrong_lists(folder, lines, options, message):
    with pytest.raises(ValueError, match=message):
        convert(folder, lines, **options)


def test_sizes_of_images(folder):
    assert 'the size of the images is not known' in convert(folder, settings=Settings())[3][0]
    small = SETTINGS._replace(img_shape=(9, 9))
    assert 'beyond an image 9 wide and 9 high' in convert(folder, settings=small)[3][0]


def test_bodies_that_are_not_in_metres(tmp_path):
    path = files.write(tmp_path / 'a.json', files.azure(files.walk(1, 5, 32, 3, size=1500)))
    _, _, _, doubts = convert_recordings(path, Settings(scale=1.0))
    assert 'looks like millimetres' in doubts[0] and '--scale 0.001' in doubts[0]
    content, layout, _, doubts = convert_recordings(path, Settings(to_layout='nturgb+d'))
    assert doubts == [] and layout.name == 'nturgb+d'
    assert np.isfinite(content['annotations'][0]['keypoint']).all()
    path = files.write(tmp_path / 'a.json', files.azure(files.walk(1, 5, 32, 3)))  # metres
    (doubt,) = convert_recordings(path, Settings())[3]
    assert '--scale has to be 1000 times as large, 1 for files in metres' in doubt


@pytest.mark.parametrize('up, how', [(None, 'by default'), ('y', 'with --up=y')])
def test_bodies_that_do_not_stand_along_y(tmp_path, up, how):
    poses = files.walk(1, 5, 32, 3, size=300)
    poses[:, :, [20, 24], 1] += 1000 if up else -1000  # ankles; the format has y down
    path = files.write(tmp_path / 'a.json', files.azure(poses))
    (doubt,) = convert_recordings(path, Settings(up=up))[3]
    assert f'-y points up {how}, expected y: correct --up (y, -y, z, ' in doubt
    assert convert_recordings(path, Settings(up=None if up else 'y'))[3] == []


def test_lines_that_overlap(folder):
    lines = ['file,label,start,end']
    lines += ['anna/1.json,up,2,3', 'anna/1.json,down,0,1', 'anna/1.json,up,1,2']  # no overlap
    assert convert(folder, lines)[3] == ['2 recordings of ' + SPARE.format(folder)]
    lines += ['anna/1.json,down,2.5,3', 'anna/2.json,up,0,1', 'anna/2.json,up,0,1']
    lines += ['ben.json,up,,', 'ben.json,up,1,2']
    doubt = convert(folder, lines)[3][0]
    assert doubt.startswith('3 pairs of lines, such as 2 and 5 of the list, take parts')
