"""Names of samples, splits of the papers, lists of samples that are left out."""

import pytest

from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.converters.ntu import protocol
from deeprank_plugin.converters.ntu.protocol import Sample


def test_names():
    assert protocol.parse_name('S018C003P106R002A120') == (18, 3, 106, 2, 120)
    for name in ('S033C001P001R001A001', 'S001C004P001R001A001', 'S001C001P107R001A001'):
        assert protocol.parse_name(name) is None
    for name in ('S001C001P001R003A001', 'S001C001P001R001A121', 'S001C001P001R001A000'):
        assert protocol.parse_name(name) is None
    for name in ('S001C001P001R001A001_', 's001C001P001R001A001', 'S001C001P001R001A01', ''):
        assert protocol.parse_name(name) is None
    assert protocol.is_in('ntu60', Sample(17, 3, 40, 2, 60))
    assert not protocol.is_in('ntu60', Sample(18, 1, 1, 1, 1))
    assert not protocol.is_in('ntu60', Sample(1, 1, 1, 1, 61))
    assert protocol.is_in('ntu120', Sample(18, 1, 1, 1, 1))


def test_splits():
    """The lists of the papers, as they are printed there."""
    of_60 = '1 2 4 5 8 9 13 14 15 16 17 18 19 25 27 28 31 34 35 38'
    of_120 = of_60 + (
        ' 45 46 47 49 50 52 53 54 55 56 57 58 59 70 74 78 80 81 82 83 84 85 86 89 91 92 93 94 95 97'
        ' 98 100 103'
    )
    assert protocol.TRAIN_SUBJECTS['ntu60'] == set(map(int, of_60.split()))
    assert protocol.TRAIN_SUBJECTS['ntu120'] == set(map(int, of_120.split()))
    assert (
        len(protocol.TRAIN_SUBJECTS['ntu60']) == 20 and len(protocol.TRAIN_SUBJECTS['ntu120']) == 53
    )
    assert protocol.split_of('ntu60', Sample(2, 1, 38, 1, 1)) == ('xsub_train', 'xview_val')
    assert protocol.split_of('ntu60', Sample(2, 2, 40, 1, 1)) == ('xsub_val', 'xview_train')
    assert protocol.split_of('ntu120', Sample(32, 1, 45, 1, 1)) == ('xsub_train', 'xset_train')
    assert protocol.split_of('ntu120', Sample(31, 2, 44, 1, 1)) == ('xsub_val', 'xset_val')
    for (
        dataset,
        sizes,
    ) in protocol.PUBLISHED.items():  # each protocol holds all but the listed samples
        left = protocol.FILES[dataset] - protocol.MISSING[dataset]
        first, second, third, fourth = sizes.values()
        assert first + second == third + fourth == left


def test_lists_of_missing_skeletons(tmp_path, monkeypatch):
    path = tmp_path / protocol.MISSING_LISTS['ntu60'][0]
    path.write_text(
        '2 of the samples have missing data.\r\nPlease ignore them.\r\n\r\n'
        'S001C002P005R002A008\r\nS001C002P006R001A008.skeleton\r\n\r\n'
    )
    assert protocol.read_missing(path) == ['S001C002P005R002A008', 'S001C002P006R001A008']
    path.write_text('S001C002P005R002A008\nS001C002P006R001A00\n')
    with pytest.raises(BrokenFile, match="line 2 is 'S001C002P006R001A00'; expected names"):
        protocol.read_missing(path)
    path.write_text('no name\n')
    with pytest.raises(BrokenFile, match='holds no sample name'):
        protocol.read_missing(path)

    class Spec:
        submodule_search_locations = [str(tmp_path / 'mmaction')]

    monkeypatch.setattr(protocol, 'find_spec', lambda name: Spec)
    with pytest.raises(ValueError, match='NTU_RGBD120_samples.*--missing FILE.*--no-missing-list'):
        protocol.find_missing('ntu120')
    folder = tmp_path / 'mmaction/.mim/tools/data/skeleton'
    folder.mkdir(parents=True)
    (folder / protocol.MISSING_LISTS['ntu120'][0]).write_text('x')
    assert protocol.find_missing('ntu120') == folder / protocol.MISSING_LISTS['ntu120'][0]
    assert protocol.find_missing('ntu60') == folder / protocol.MISSING_LISTS['ntu120'][0]
    (folder / protocol.MISSING_LISTS['ntu60'][0]).write_text('x')
    assert protocol.find_missing('ntu60').name == protocol.MISSING_LISTS['ntu60'][0]


def test_counts_beside_the_published_ones():
    splits = {name: range(size) for name, size in protocol.PUBLISHED['ntu60'].items()}
    lines, all_same = protocol.compare_counts(splits, 'ntu60')
    assert all_same
    assert lines[0] == 'xsub_train: 40,091 samples, published 40,091: the same'
    lines, all_same = protocol.compare_counts(dict(splits, xview_val=range(18930)), 'ntu60')
    assert not all_same
    assert lines[3] == 'xview_val: 18,930 samples, published 18,932: differs by -2'
