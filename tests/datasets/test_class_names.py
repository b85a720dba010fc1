"""Names of classes, by the data sets of the configs."""

import numpy as np
import pytest
from helpers import ROOT
from mmengine.config import Config

from deeprank_plugin.converters.pkummd import ACTIONS
from deeprank_plugin.datasets.class_names import CLASS_NAMES, check_label_names
from deeprank_plugin.datasets.toy.actions import CLASS_NAMES as TOY

CONFIGS = ROOT / 'configs'


DATA = sorted(path.stem for path in (CONFIGS / '_base_' / 'data').glob('*_*.py'))


def test_names_of_classes():
    assert len(CLASS_NAMES['ntu60']) == 60 and len(set(CLASS_NAMES['ntu120'])) == 120
    assert CLASS_NAMES['ntu120'][:60] == CLASS_NAMES['ntu60']
    assert CLASS_NAMES['ntu120'][60] == 'put on headphone'
    assert CLASS_NAMES['pkummd1'] == ACTIONS and CLASS_NAMES['toy'] == TOY
    for data in DATA:
        cfg = Config.fromfile(CONFIGS / '_base_' / 'data' / f'{data}.py')
        if cfg.class_names is not None:
            assert len(CLASS_NAMES[cfg.class_names]) == cfg.num_classes


def test_names_of_a_file():
    assert check_label_names(dict(label_names=('a', 'b')), [0, 1, 1], 'a.pkl') == ['a', 'b']
    nameless = [{}, [], *(dict(label_names=names) for names in (None, [], ()))]
    assert all(check_label_names(content, [0, 2], 'a.pkl') is None for content in nameless)


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        (np.array(['a', 'b', 'c']), 'label_names of .*a.pkl are array.*; expected a list of str'),
        ('abc', "are 'abc'; expected a list of strings"),
        (['a', 1, 'c'], 'expected a list of strings'),
        (['a', 'b'], 'label 2, but its label_names give only 2 classes; expected a name for each'),
    ],
)
def test_names_that_cannot_be_used(names, message):
    with pytest.raises(ValueError, match=message):
        check_label_names(dict(label_names=names), [0, 2, 1], 'a.pkl')
