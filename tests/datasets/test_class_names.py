"""Names of classes, by the data sets of the configs."""

from helpers import ROOT
from mmengine.config import Config

from deeprank_plugin.converters.pkummd import ACTIONS
from deeprank_plugin.datasets.class_names import CLASS_NAMES
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
