"""Projected hours of Table IV, and the aims on one GPU, from what gpu.py measured."""

import functools
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Optional

from mmengine.config import Config

SAMPLES = {'X-Sub': 40091, 'X-View': 37646}  # of the training splits of NTU RGB+D 60


class Row(NamedTuple):
    """A row of Table IV that this project trains.

    Attributes:
        title: Method and architecture, as in the paper.
        network: Its name in the configs.
        method: Folder of the configs of its pretraining.
        streams: Networks that are pretrained on their own, and that are finetuned.
    """

    title: str
    network: str
    method: str
    streams: int


ROWS = [
    Row(f'{title}, {"3s-" if streams == 3 else ""}{architecture}', network, method, streams)
    for network, architecture in (('stgcn', 'ST-GCN'), ('sttformer', 'STTFormer'))
    for streams in (1, 3)
    for title, method in (
        ('DeepCluster', 'deepcluster/deepcluster'),
        ('DeepRank', 'deeprank/deeprank'),
        ('MV-DeepRank', 'mv_deeprank/mv-deeprank'),
    )
]


def pick(rows: List[Dict], key: str, **having: object) -> Optional[float]:
    """A value of the first row that matches; None if there is none."""
    matching = (row for row in rows if all(row.get(k) == v for k, v in having.items()))
    return next((row.get(key) for row in matching), None)


def project(found: Dict[str, List[Dict]], configs: Path) -> List[Dict]:
    """Hours of one seed of each row, by default and in the fastest way, on each split.

    All epochs of the configs are counted, and relabelling where extraction was measured; validation
    is not. DeepCluster and finetuning are taken to be as fast as DeepRank's step with the same
    network, MV-DeepRank in other precisions as much faster as DeepRank, and the loader not to be
    the limit where it was not measured. MV-DeepRank is pretrained once for its joint and its 3s
    row.

    Args:
        found (dict): Rows of the parts by name; 'steps' is needed.
        configs (Path): Folder of the configs.

    Raises:
        ValueError: If no steps were measured.
    """
    if not found.get('steps'):
        raise ValueError("hours follow from the steps' speed; expected --only steps ... hours")
    limit = max((row['samples_s'] for row in found.get('loader', [])), default=float('inf'))
    rows = []
    for row in ROWS:
        measured_ways = [r for r in found['steps'] if r['network'] == row.network]
        fastest = max(measured_ways, key=lambda r: r['samples_s'], default=None)
        for measured in measured_ways:
            if measured['way'] != 'default' and measured is not fastest:
                continue
            speed = measured['samples_s']
            pretrained = speed
            if row.method.startswith('mv'):
                mv = pick(found.get('mv', []), 'samples_s', network=row.network)
                default = pick(found['steps'], 'samples_s', network=row.network, way='default')
                if mv is None or default is None:
                    continue
                pretrained = mv * speed / default
            speeds = min(pretrained, limit), min(speed, limit)
            rows.append(
                dict(
                    part='hours',
                    row=row.title,
                    way=measured['way'],
                    **project_row(row, *speeds, found.get('extraction', []), configs),
                )
            )
    return rows


@functools.lru_cache(None)
def read(path: Path) -> Config:
    """A config, read once."""
    return Config.fromfile(path)


def project_row(
    row: Row, pretrained: float, finetuned: float, extraction: List[Dict], configs: Path
) -> Dict[str, float]:
    """Hours of pretraining and finetuning on each split, from samples a second."""
    cfg = read(configs / f'{row.method}_{row.network}.py')
    downstream = read(configs / f'finetune/{row.network}_pretrained.py')
    share = 1 - cfg.train_dataloader.dataset.holdout.share
    several = row.method.startswith('mv')
    runs = 1 if several else row.streams
    relabelling = 0.0
    extracted = pick(extraction, 'samples_s', network=row.network)
    if extracted is not None:
        relabelling = cfg.default_hooks.relabel.max_rounds * (3 if several else 1) / extracted
    found = {}
    for split, number in SAMPLES.items():
        seconds = runs * number * (cfg.train_cfg.max_epochs * share / pretrained + relabelling)
        found[f'pretrain_h_{split}'] = seconds / 3600
        seconds = row.streams * number * downstream.train_cfg.max_epochs / finetuned
        found[f'finetune_h_{split}'] = seconds / 3600
    return found


class Aim(NamedTuple):
    """What is to be reached; ``at_least`` is a lower bound, negative an upper one."""

    what: str
    at_least: float
    find: Callable[[Dict[str, List[Dict]]], Optional[float]]


def hours_of_100_epochs(found: Dict[str, List[Dict]]) -> Optional[float]:
    """Hours of 100 epochs of DeepRank, ST-GCN, X-Sub, in the fastest way."""
    speeds = [row['samples_s'] for row in found.get('steps', []) if row['network'] == 'stgcn']
    return 100 * 0.95 * SAMPLES['X-Sub'] / max(speeds) / 3600 if speeds else None


AIMS = [
    Aim(
        'waiting for data in a training, ST-GCN, most workers, %',
        -5,
        lambda found: pick(found.get('loader', [])[::-1], 'data_time_percent', what='training'),
    ),
    Aim(
        'GPU busy in a training, ST-GCN, most workers, %',
        90,
        lambda found: pick(found.get('loader', [])[::-1], 'busy_percent', what='training'),
    ),
    Aim(
        'bf16 and compiled / fp32, STTFormer',
        2.5,
        lambda found: pick(
            found.get('steps', []), 'to_fp32', network='sttformer', way='bf16_compiled'
        ),
    ),
    Aim(
        'ranking part of a step, ST-GCN, %',
        -5,
        lambda found: pick(found.get('share', []), 'share_percent', network='stgcn'),
    ),
    Aim(
        'MV-DeepRank, STTFormer, one by one, MiB',
        -40 * 1024,
        lambda found: pick(
            found.get('mv', []), 'peak_mib', network='sttformer', encoders='one by one'
        ),
    ),
    Aim(
        'extraction / bare loop, ST-GCN',
        0.9,
        lambda found: pick(found.get('extraction', []), 'to_bare_loop', network='stgcn'),
    ),
    Aim('100 epochs of DeepRank, ST-GCN, X-Sub, hours', -1, hours_of_100_epochs),
]


def compare_with_aims(found: Dict[str, List[Dict]]) -> List[Dict]:
    """A row for each aim that something was measured of."""
    rows = []
    for aim in AIMS:
        value = aim.find(found)
        if value is None:
            continue
        met = value >= aim.at_least if aim.at_least > 0 else value <= -aim.at_least
        bound = f'{">=" if aim.at_least > 0 else "<="} {abs(aim.at_least):g}'
        row = dict(part='aims', what=aim.what, aim=bound, measured=value)
        rows.append(dict(row, met='yes' if met else 'NO'))
    return rows
