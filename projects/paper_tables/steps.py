"""The steps behind the tables: calls of tools/, each done once."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from paper import MODALITIES

ROOT = Path(__file__).resolve().parents[2]
TRAIN, PROTOCOL = 'tools/train.py', 'tools/run_protocol.py'
SAMPLES = {  # of the training splits
    'ntu60-xsub': 40091,
    'ntu60-xview': 37646,
    'ntu120-xsub': 63026,
    'ntu120-xset': 54468,
    'pkummd1-xsub': 18841,
    'pkummd2-xsub': 5332,
    'uiprmd-xsub': 1000,
    'hdm05-xsub': 200,
    'toy-xsub': 720,
    'cifar100': 50000,
    'digits': 1297,
}
IMAGES = ('cifar100', 'digits')
TITLES = {
    'scratch': 'from scratch',
    'triplet': 'triplet loss with labels',
    'moco': 'MoCo v2',
    'mae': 'SkeletonMAE',
    'dc': 'DeepCluster',
    '3s': 'DeepRank',
    'mv': 'MV-DeepRank',
}
FOLDERS = {'3s': ('deeprank', '3s-deeprank'), 'mv': ('mv_deeprank', 'mv-deeprank')}
FOLDERS.update(dc=('deepcluster', 'deepcluster'))
COSINE = ('moco', 'mae', 'triplet')  # pretrained without relabelling


class Step(NamedTuple):
    """A call of one tool.

    Attributes:
        key: Its name, also of its folder.
        command: What is run in the repository's root.
        needs: Steps that come before it.
        config: Config that it trains.
        runs: How many trainings it is.
        share: Share of the training split that each takes.
        data: Data set and split.
    """

    key: str
    command: Tuple[str, ...]
    needs: Tuple['Step', ...]
    config: str
    runs: int
    share: float
    data: str


class Preset(NamedTuple):
    """How large a study is.

    Attributes:
        name: 'paper' or 'small'.
        networks: The paper's name of a network to ours.
        length: Frames, as in names of configs.
        pretrain: Schedules in names of configs: relabelled, and cosine.
        finetune: Schedule of finetuning, by network.
        semi: Batch and schedule of semi-supervised finetuning, by share and network.
        seeds: Seeds of finetuning.
        clusters: Numbers of clusters of Table VI.
        relabel_options, cosine_options, finetune_options: ``--cfg-options``.
    """

    name: str
    networks: Dict[str, str]
    length: str
    pretrain: Tuple[str, str]
    finetune: Dict[str, str]
    semi: Dict[str, Dict[str, str]]
    seeds: Sequence[int]
    clusters: Sequence[int]
    relabel_options: Sequence[str] = ()
    cosine_options: Sequence[str] = ()
    finetune_options: Sequence[str] = ()


def clip(loaders: Sequence[str], frames: int, place: str = '1') -> List[str]:
    """Options that set the length of the clips."""
    return [f'{part}_dataloader.dataset.pipeline.{place}.clip_len={frames}' for part in loaders]


PAPER = Preset(
    'paper',
    dict(stgcn='stgcn', sttformer='sttformer'),
    't120',
    ('150e', '150e'),
    dict(stgcn='100e', sttformer='90e'),
    {
        '1p': dict(stgcn='1xb64-joint-t120-100e', sttformer='1xb64-joint-t120-90e'),
        '10p': dict(stgcn='1xb64-joint-t120-100e', sttformer='1xb64-joint-t120-90e'),
    },
    (0, 1, 2, 3, 4),
    (8, 16, 32, 64, 128, 256),
)
SMALL = Preset(
    'small',
    dict(stgcn='stgcn-w16', sttformer='sttformer-s'),
    't48',
    ('5x20e', '100e'),
    dict(stgcn='30e', sttformer='30e'),
    {'10p': dict(stgcn='1xb16-joint-t48-30e', sttformer='1xb16-joint-t48-30e')},
    (0, 1, 2),
    (8, 32, 128),
    [
        *clip(('train', 'val', 'test'), 24),
        'train_cfg.max_epochs=12',
        'default_hooks.relabel.interval=4',
        'default_hooks.relabel.max_rounds=3',
        'param_scheduler.0.periods=[4,4,4]',
        'param_scheduler.0.restart_weights=[1,1,1]',
    ],
    ['train_cfg.max_epochs=12', 'param_scheduler.0.T_max=12', *clip(('test',), 24)],
    [*clip(('train', 'val', 'test'), 24), 'optim_wrapper.optimizer.lr=0.02'],
)
DIGITS = PAPER._replace(name='small', seeds=(0, 1, 2), clusters=(8, 16, 32))


class Study:
    """Makes the steps of a preset; the same step is made once.

    Args:
        preset (Preset): How large.
        out (Path): Folder of everything that is written.
        gpus (int): Processes of a training.
        seed (int): Seed of pretraining.
    """

    def __init__(self, preset: Preset, out: Path, gpus: int = 1, seed: int = 0) -> None:
        self.preset, self.out, self.gpus, self.seed = preset, out, gpus, seed

    def folder(self, key: str) -> Path:
        """Where a step writes."""
        return self.out / key

    def pretrain(
        self, method: str, network: str, data: str, options: Sequence[str] = ()
    ) -> Union[Step, Dict[str, Step]]:
        """One step for three streams, or one for each."""
        name = self.preset.networks[network]
        streams = method in ('3s', 'mv')
        folder, stem = FOLDERS.get(method, (method, method))
        schedule = self.preset.pretrain[method in COSINE]
        common = list(self.preset.cosine_options if method in COSINE else ())
        if method not in COSINE:
            common = list(self.preset.relabel_options)
        elif self.preset.name == 'small':
            place = '1.transforms.0' if method == 'moco' else '1'
            common += clip(('train',), 24, place)
        if streams:
            config = f'{stem}_{name}_1xb64-{self.preset.length}-{schedule}_{data}-keypoint-3d.py'
            return self.train(f'configs/{folder}/{config}', [*common, *options], data, 3)
        steps = {}
        for modality in MODALITIES:
            config = f'{stem}_{name}_1xb64-joint-{self.preset.length}-{schedule}_{data}'
            chosen = [f'model.data_preprocessor.modality={modality}']
            path = f'configs/{folder}/{config}-keypoint-3d.py'
            steps[modality] = self.train(path, [*common, *options, *chosen], data, 1)
        return steps

    def train(self, config: str, options: Sequence[str], data: str, runs: int) -> Step:
        """A call of tools/train.py."""
        own = [o for o in options if o not in self.preset.relabel_options]
        own = [o for o in own if o not in self.preset.cosine_options and 'clip_len' not in o]
        own += [f'seed={self.seed}'] if self.seed else []
        key = f'pretrain/{slug(Path(config).stem, own)}'
        command = ['python', TRAIN, config]
        if self.gpus > 1:
            command = ['bash', 'tools/dist_train.sh', config, str(self.gpus)]
            options = [*options, f'train_dataloader.batch_size={64 // self.gpus}']
        command += ['--work-dir', str(self.folder(key)), '--seed', str(self.seed), '--resume']
        if options:
            command += ['--cfg-options', *options]
        return Step(key, tuple(command), (), config, runs, 1.0, data)

    def protocol(
        self,
        network: str,
        data: str,
        pretrained: Union[Step, Dict[str, Step], None],
        share: Optional[str] = None,
        streams: Sequence[str] = MODALITIES,
        config: Optional[str] = None,
    ) -> Step:
        """A call of tools/run_protocol.py: finetuning with all or some of the labels."""
        if config is None:
            name = self.preset.networks[network]
            middle = f'1xb64-joint-{self.preset.length}-{self.preset.finetune[network]}'
            folder, suffix = 'finetune', ''
            if share is not None:
                folder, suffix = 'semi', f'-{share}'
                middle = self.preset.semi[share][network]
            config = f'configs/{folder}/{name}_deeprank-pretrained{suffix}_{middle}_{data}'
            config += '-keypoint-3d.py'
        steps = (pretrained,) if isinstance(pretrained, Step) else ()
        checkpoint, source = ['none'], 'scratch'
        if isinstance(pretrained, Step):
            checkpoint, source = [str(self.folder(pretrained.key))], pretrained.key.split('/')[1]
        elif pretrained is not None:
            steps = tuple(pretrained[stream] for stream in streams)
            checkpoint = [f'{s}={self.folder(pretrained[s].key)}' for s in streams]
            source = pretrained['joint'].key.split('/')[1]
        part = float(share[:-1]) / 100 if share else 1.0
        key = f'finetune/{slug(Path(config).stem)}/{source}/{"-".join(streams)}'
        command = ['python', PROTOCOL, config, str(self.folder(key)), '--checkpoint', *checkpoint]
        command += ['--streams', *streams, '--seeds', *map(str, self.preset.seeds)]
        command += ['--share', f'{part:g}'] if share else []
        command += ['--gpus', str(self.gpus)] if self.gpus > 1 else []
        if self.preset.finetune_options:
            command += ['--cfg-options', *self.preset.finetune_options]
        runs = len(streams) * len(self.preset.seeds)
        return Step(key, tuple(command), steps, config, runs, part, data)


def slug(stem: str, options: Sequence[str] = ()) -> str:
    """A folder's name from a config and what was changed in it."""
    stem = stem.replace('-keypoint-3d', '')
    changed = [option.rpartition('.')[2] for option in options]
    return re.sub(r'[^\w.=,-]+', '', '_'.join([stem, *changed]))


def order(steps: Sequence[Step]) -> List[Step]:
    """All steps, each once, what is needed before what needs it."""
    found: Dict[str, Step] = {}

    def visit(step: Step) -> None:
        for other in step.needs:
            visit(other)
        found.setdefault(step.key, step)

    for step in steps:
        visit(step)
    return list(found.values())


def is_done(step: Step, out: Path) -> bool:
    """Whether a step ended well before.

    Raises:
        ValueError: If it did with another command.
    """
    path = out / step.key / 'step.json'
    if not path.is_file():
        return False
    before = json.loads(path.read_text())['command']
    if before != list(step.command):
        raise ValueError(
            f'{path.parent} holds the results of another command ({" ".join(before)[:200]} ...); '
            'name another --out, or remove that folder'
        )
    return True


def run(step: Step, out: Path) -> None:
    """Run a step, its output in step.log, and note that it is done.

    Raises:
        RuntimeError: If the tool fails, with the end of its output.
    """
    folder = out / step.key
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable if part == 'python' else part for part in step.command]
    environment = dict(os.environ, PYTHON=sys.executable)
    with open(folder / 'step.log', 'a') as log:
        result = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    if result.returncode:
        tail = (folder / 'step.log').read_text().strip().splitlines()[-5:]
        raise RuntimeError(f'step {step.key} failed:\n  ' + '\n  '.join(tail))
    temporary = folder / 'step.tmp'
    temporary.write_text(json.dumps(dict(command=list(step.command)), indent=2) + '\n')
    os.replace(temporary, folder / 'step.json')
