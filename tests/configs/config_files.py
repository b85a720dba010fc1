"""The config files, and what several tests read from them."""

import sys

from helpers import ROOT
from mmengine.config import Config

from deeprank_plugin.command_line import load_config

CONFIGS = ROOT / 'configs'


def list_configs(folder):
    return sorted(path for path in folder.rglob('*.py') if '_base_' not in path.parts)


OURS = list_configs(CONFIGS)
PROJECTS = [
    path for folder in (ROOT / 'projects').glob('*/configs') for path in list_configs(folder)
]
DATA = sorted(path.stem for path in (CONFIGS / '_base_' / 'data').glob('*.py'))
DATA.remove('custom')
DATA.sort(key=lambda name: name != 'ntu60_xsub')  # first: models take their step with two bodies
FACTS = {name: Config.fromfile(CONFIGS / '_base_' / 'data' / f'{name}.py') for name in DATA}
NETWORKS = ('stgcn', 'stgcn-slim', 'stgcn-w16', 'sttformer', 'sttformer-s')
sys.path.insert(0, str(ROOT))  # configs of projects import their own modules by it


def names(paths):
    return [str(path.relative_to(ROOT)) for path in paths]


def read(name, **parameters):
    return load_config(str(CONFIGS / name), **parameters)


SMALL = [p for p in OURS if p.stem.split('_')[-1] in ('stgcn-w16', 'sttformer-s')]
SMALL += [CONFIGS / 'deeprank/deeprank_stgcn-deviceaug.py']
SMALL += [CONFIGS / f'finetune/{network}_scratch.py' for network in ('stgcn-w16', 'sttformer-s')]
SMALL += [CONFIGS / f'finetune/raw_{kind}.py' for kind in ('knn', 'linear')]
PRETRAINERS = [
    path for path in SMALL if path.parent.name != 'finetune' and 'device' not in path.stem
]


def student_steps(cfg):
    """What the training pipeline does to a student's view, between centring and packing."""
    if cfg.get('train_dataloader') is None:
        return []
    steps = cfg.train_dataloader.dataset.pipeline[1:-2]
    return steps[0].transforms if steps and steps[0].type == 'TwoViews' else steps
