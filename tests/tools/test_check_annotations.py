"""check_annotations.py as a user runs it: report, verdict, exit code, files."""

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT, run_tool

from deeprank_plugin.datasets.annotation_writing import write_npz
from deeprank_plugin.datasets.annotations import load_annotations

TOOL = ROOT / 'tools' / 'data' / 'check_annotations.py'


@pytest.fixture
def tool(call_tool):
    """A function that runs the tool in this process: exit code, what it printed."""

    def run(*arguments):
        code, out, err = call_tool('data/check_annotations.py', *arguments)
        return code, out + err

    return run


def stand(content):
    """Rigid bodies of 1.7 m instead of noise."""
    stick = np.zeros((25, 3), np.float32)
    stick[:, 1] = np.linspace(0.7, -1, 25)
    for index, annotation in enumerate(content['annotations']):
        path = np.arange(annotation['total_frames'], dtype=np.float32)[None, :, None, None]
        annotation['keypoint'] = stick + np.float32(0.01 * (index + 1)) * (path + 1)


def and_then(change):
    def both(content):
        stand(content)
        return change(content)

    return both


def last(printed):
    return printed.strip().splitlines()[-1]


def test_a_good_file(tool, make_annotations, tmp_path):
    path = make_annotations(change=stand)
    write_npz(load_annotations(path), tmp_path / 'a.npz')
    for file in (path, tmp_path / 'a.npz'):
        code, printed = tool(
            *(file, '--num-classes', 3, '--layout', 'nturgb+d'),
            *('--json', tmp_path / 'new' / 'r.json', '--plot', tmp_path / 'plots'),
        )
        assert code == 0 and last(printed) == 'verdict: ok'
        assert '20 samples, 20 without faults' in printed
        assert (tmp_path / 'plots' / 'skeletons_00.png').read_bytes().startswith(b'\x89PNG')
        report = json.loads((tmp_path / 'new' / 'r.json').read_text())
        assert report['verdict'] == 'ok' and report['faults'] == {}
        assert report['splits']['xsub_train']['classes'] == {'0': 5, '1': 5, '2': 5}
        assert report['sizes']['size']['median'] == pytest.approx(1.7, abs=1e-3)
        assert report['bones']['variation']['max'] == pytest.approx(0, abs=1e-5)


def test_warnings_leave_the_exit_code_alone(tool, make_annotations):
    def millimetres(content):
        for annotation in content['annotations']:
            annotation['keypoint'] *= 1000

    code, printed = tool(make_annotations(change=and_then(millimetres)))
    assert code == 0 and last(printed) == 'verdict: warnings'
    assert 'warning: a body measures 1700' in printed and 'millimetres' in printed


def test_all_faults_are_counted(tool, make_annotations, tmp_path):
    def spoil(content):
        for index in (2, 5, 9):
            content['annotations'][index]['label'] = 99
        content['annotations'][16]['keypoint'][0, 0, 0] = np.nan  # of the other split
        content['split']['xsub_val'].append('ghost')

    path = make_annotations(change=and_then(spoil))
    code, printed = tool(path, '--num-classes', 3, '--json', tmp_path / 'r.json')
    assert code == 1 and last(printed) == 'verdict: faults'
    for line in ('fault: label: 3', 'fault: NaN or infinite: 1', 'fault: no annotation: 1'):
        assert line in printed.splitlines()
    assert '20 samples, 16 without faults' in printed
    faults = json.loads((tmp_path / 'r.json').read_text())['faults']
    assert {kind: entry['count'] for kind, entry in faults.items()} == {
        'label': 3,
        'NaN or infinite': 1,
        'no annotation': 1,
    }


def test_damaged_files_are_faults(tool, make_annotations, tmp_path):
    path = Path(make_annotations(change=stand))
    write_npz(load_annotations(path), tmp_path / 'a.npz')
    content = (tmp_path / 'a.npz').read_bytes()
    at = content.index(load_annotations(path)['annotations'][3]['keypoint'].tobytes())
    # the last bit of a coordinate: the file reads, and its check sum is not that of its data
    (tmp_path / 'a.npz').write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    assert len(load_annotations(tmp_path / 'a.npz')['annotations']) == 20
    code, printed = tool(tmp_path / 'a.npz', '--plot', tmp_path / 'plots')
    assert code == 1 and 'keypoint.npy does not match its checksum' in printed
    assert 'fault: unreadable: 1' in printed and last(printed) == 'verdict: faults'

    path.write_bytes(path.read_bytes()[:5000])
    code, printed = tool(path, '--json', tmp_path / 'r.json')
    assert code == 1 and 'ends too early' in printed and last(printed) == 'verdict: faults'
    assert json.loads((tmp_path / 'r.json').read_text())['verdict'] == 'faults'


def test_a_hostile_pickle_is_a_fault(tool, tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / 'ran'),)

    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(dict(split={}, annotations=[Hostile()])))
    code, printed = tool(tmp_path / 'a.pkl')
    assert code == 1 and 'is rejected: it asks for' in printed
    assert not (tmp_path / 'ran').exists()


def test_two_dimensions(tool, make_annotations, tmp_path):
    path = make_annotations(shape=(17, 3))
    code, printed = tool(path, '--layout', 'coco', '--plot', tmp_path / 'plots')
    assert code == 0 and last(printed) == 'verdict: ok'
    assert 'bones: not measured' in printed and 'skeletons_00.png' in printed
    assert (tmp_path / 'plots' / 'skeletons_00.png').is_file()
    code, printed = tool(make_annotations(shape=(9, 3)), '--plot', tmp_path / 'none')
    assert 'pictures: none, the joints match no known layout' in printed
    arm = dict(num_node=9, edges=[[i, i + 1] for i in range(8)], center=0)
    (tmp_path / 'arm.json').write_text(json.dumps(arm))
    code, printed = tool(path, '--layout', tmp_path / 'arm.json', '--plot', tmp_path / 'arm')
    assert 'layout arm.json' in printed and (tmp_path / 'arm' / 'skeletons_00.png').is_file()


def test_errors(tool, make_annotations, tmp_path):
    code, printed = tool(tmp_path / 'nowhere.pkl')
    assert code == 2 and 'does not exist' in printed
    code, printed = tool(make_annotations(), '--layout', 'smplx')
    assert code == 2 and "layout 'smplx' is not known" in printed
    (tmp_path / 'file').write_text('')
    code, printed = tool(make_annotations(), '--plot', tmp_path / 'file')
    assert code == 2 and 'cannot be written to' in printed


def test_as_a_program_on_real_data(shared_data):
    result = run_tool(TOOL, shared_data / 'hdm05_ntu25.pkl', '--layout', 'nturgb+d')
    assert result.returncode == 0 and '287 samples, 287 without faults' in result.stdout
    assert 'in both xsub_train and xsub_val: 0 samples, 0 subjects, 0 sequences' in result.stdout
