"""Samples of many files keep their order; faults end the conversion or are reported."""

import pytest

from deeprank_plugin.converters.batch import (
    SHOWN,
    BrokenFile,
    check_output,
    convert_all,
    fill_splits,
    report_faults,
)


def convert(number, broken):
    """Two samples of a file, or a fault."""
    if number in broken:
        return [], [f'file {number} is broken']
    return [dict(frame_dir=f'{number}{end}') for end in 'ab'], []


@pytest.mark.parametrize('workers', [1, 2])
def test_the_order_is_that_of_the_files(workers):
    jobs = [(number, (2, 5)) for number in range(7)]
    annotations, faults = convert_all(convert, jobs, skip_bad=True, workers=workers)
    names = [annotation['frame_dir'] for annotation in annotations]
    assert names == [f'{number}{end}' for number in (0, 1, 3, 4, 6) for end in 'ab']
    assert faults == ['file 2 is broken', 'file 5 is broken']
    with pytest.raises(BrokenFile, match='file 2 is broken .--skip-bad leaves out'):
        convert_all(convert, jobs, workers=workers)


def test_splits_by_source():
    annotations, _ = convert_all(convert, [(number, ()) for number in range(3)], workers=1)
    belongs = dict(train={'0', '2'}, val={'1', '2'})
    splits = fill_splits(annotations, belongs, lambda name: name[0], [])
    assert splits == dict(train=['0a', '0b', '2a', '2b'], val=['1a', '1b', '2a', '2b'])
    with pytest.raises(
        BrokenFile, match="'test' has no sample left.*1 faults, the first: it is cut"
    ):
        fill_splits(annotations, dict(test={'9'}), lambda name: name[0], ['it is cut'])
    for belongs, allow_empty in ((dict(a={'0'}, test={'9'}), False), (dict(test={'9'}), True)):
        with pytest.raises(BrokenFile, match="no file belongs to split 'test'.*add files"):
            fill_splits(annotations, belongs, lambda name: name[0], [], allow_empty)
    splits = fill_splits(annotations, dict(a={'0'}, test={'9'}), lambda name: name[0], [], True)
    assert splits == dict(a=['0a', '0b'], test=[])


def test_what_is_written_where(tmp_path, capsys):
    with pytest.raises(ValueError, match='expected the name of a pickle'):
        check_output(tmp_path / 'a.npz', False)
    (tmp_path / 'a.pkl').write_text('')
    with pytest.raises(ValueError, match='replace it with --force'):
        check_output(tmp_path / 'a.pkl', False)
    check_output(tmp_path / 'a.pkl', True)
    with pytest.raises(ValueError, match='choose another name'):
        check_output(tmp_path, True)
    faults = [f'fault {index}' for index in range(SHOWN + 2)]
    report_faults(faults, tmp_path / 'new' / 'report.txt', ['a note'])
    printed = capsys.readouterr().err.splitlines()
    assert printed[0] == 'left out: fault 0' and len(printed) == SHOWN + 1
    assert printed[-1] == f'and 2 more, all in {tmp_path / "new" / "report.txt"}'
    assert (tmp_path / 'new' / 'report.txt').read_text().splitlines() == [*faults, 'a note']
