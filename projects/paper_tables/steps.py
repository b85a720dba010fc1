"""The steps behind the tables: calls of tools/, each run once."""

import hashlib
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from mmengine.config import Config

from deeprank_plugin.command_line import load_config
from deeprank_plugin.command_line.data_file import hash_data, hash_file
from deeprank_plugin.engine.recovery.checkpoints import find_latest
from deeprank_plugin.models.data_preprocessor import MODALITIES

ROOT = Path(__file__).resolve().parents[2]
TRAIN, PROTOCOL = 'tools/train.py', 'tools/run_protocol.py'
SAMPLES = {  # of the training splits
    'ntu60_xsub': 40091,
    'ntu60_xview': 37646,
    'ntu120_xsub': 63026,
    'ntu120_xset': 54468,
    'pkummd1_xsub': 18841,
    'pkummd2_xsub': 5332,
    'uiprmd_xsub': 1000,
    'hdm05_xsub': 200,
    'toy_xsub': 576,
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
PRETRAIN = {  # configs of pretraining, by network
    'triplet': 'configs/triplet/triplet_{}.py',
    'moco': 'configs/moco/moco_{}.py',
    'mae': 'configs/mae/mae_{}.py',
    'dc': 'configs/deepcluster/deepcluster_{}.py',
    '3s': 'configs/deeprank/3s-deeprank_{}.py',
    'mv': 'configs/mv_deeprank/mv-deeprank_{}.py',
}
FINETUNE = 'configs/finetune/{}_pretrained.py'
COSINE = ('moco', 'mae', 'triplet')  # pretrained without relabelling


class Step(NamedTuple):
    """A call of one tool.

    Attributes:
        key: Name of the step and of its folder.
        command: Command to run in the repository's root.
        needs: Steps that must run first.
        config: Config that it trains.
        runs: Number of trainings.
        share: Share of the training split that each training uses.
        data: Data set and split.
        parameters: Options of its command that are parameters of its config.
    """

    key: str
    command: Tuple[str, ...]
    needs: Tuple['Step', ...]
    config: str
    runs: int
    share: float
    data: str
    parameters: Tuple[str, ...] = ()


class Preset(NamedTuple):
    """The size of a study.

    Attributes:
        name: 'paper' or 'small'.
        networks: Our name for each of the paper's networks.
        seeds: Seeds of finetuning.
        clusters: Numbers of clusters of Table VI.
        relabel_options, cosine_options, finetune_options: ``--cfg-options``.
    """

    name: str
    networks: Dict[str, str]
    seeds: Sequence[int]
    clusters: Sequence[int]
    relabel_options: Sequence[str] = ()
    cosine_options: Sequence[str] = ()
    finetune_options: Sequence[str] = ()


def clip_options(loaders: Sequence[str], frames: int, place: str = '1') -> List[str]:
    """Options that set the length of the clips."""
    return [f'{part}_dataloader.dataset.pipeline.{place}.clip_len={frames}' for part in loaders]


PAPER = Preset(
    'paper',
    dict(stgcn='stgcn', sttformer='sttformer'),
    (0, 1, 2, 3, 4),
    (8, 16, 32, 64, 128, 256),
)
SMALL = Preset(
    'small',
    dict(stgcn='stgcn-w16', sttformer='sttformer-s'),
    (0, 1, 2),
    (8, 32, 128),
    [
        *clip_options(('train', 'val', 'test'), 24),
        'train_cfg.max_epochs=12',
        'default_hooks.relabel.interval=4',
        'default_hooks.relabel.max_rounds=3',
        'param_scheduler.0.periods=[4,4,4]',
        'param_scheduler.0.restart_weights=[1,1,1]',
    ],
    ['train_cfg.max_epochs=12', 'param_scheduler.0.T_max=12', *clip_options(('test',), 24)],
    [*clip_options(('train', 'val', 'test'), 24), 'optim_wrapper.optimizer.lr=0.02'],
)
DIGITS = PAPER._replace(name='small', seeds=(0, 1, 2), clusters=(8, 16, 32))


class Study:
    """Makes the steps of a preset.

    Args:
        preset (Preset): Size of the study.
        out (Path): Output folder.
        gpus (int): Processes of a training, which share the batch of its config.
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
        """One step for all three streams, or one for each."""
        config = PRETRAIN[method].format(self.preset.networks[network])
        streams = method in ('3s', 'mv')
        common = list(self.preset.cosine_options if method in COSINE else ())
        if method not in COSINE:
            common = list(self.preset.relabel_options)
        elif self.preset.name == 'small':
            place = '1.transforms.0' if method == 'moco' else '1'
            common += clip_options(('train',), 24, place)
        if streams:
            return self.train(config, [*common, *options], data, 3)
        return {
            modality: self.train(config, [*common, *options], data, 1, modality)
            for modality in MODALITIES
        }

    def train(
        self,
        config: str,
        options: Sequence[str],
        data: str,
        runs: int,
        modality: Optional[str] = None,
    ) -> Step:
        """A call of tools/train.py."""
        own = [o for o in options if o not in self.preset.relabel_options]
        own = [o for o in own if o not in self.preset.cosine_options and 'clip_len' not in o]
        own += [f'seed={self.seed}'] if self.seed else []
        parameters = name_parameters(data=data, modality=modality)
        key = f'pretrain/{slug([Path(config).stem, *parameters[1::2]], own)}'
        command = ['python', TRAIN, config]
        if self.gpus > 1:
            command = ['bash', 'tools/dist_train.sh', config, str(self.gpus)]
        options = [*options, *self.share_batch(config, parameters)]
        command += [*parameters, '--work-dir', str(self.folder(key))]
        command += ['--seed', str(self.seed), '--resume']
        if options:
            command += ['--cfg-options', *options]
        return Step(key, tuple(command), (), config, runs, 1.0, data, parameters)

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
        config = config or FINETUNE.format(self.preset.networks[network])
        parameters = name_parameters(data=data, share=share)
        steps = (pretrained,) if isinstance(pretrained, Step) else ()
        checkpoint, source = ['none'], 'scratch'
        if isinstance(pretrained, Step):
            checkpoint, source = [str(self.folder(pretrained.key))], pretrained.key.split('/')[1]
        elif pretrained is not None:
            steps = tuple(pretrained[stream] for stream in streams)
            checkpoint = [f'{s}={self.folder(pretrained[s].key)}' for s in streams]
            source = pretrained['joint'].key.split('/')[1]
        part = float(share[:-1]) / 100 if share else 1.0
        key = (
            f'finetune/{slug([Path(config).stem, *parameters[1::2]])}/{source}/{"-".join(streams)}'
        )
        command = ['python', PROTOCOL, config, str(self.folder(key)), *parameters]
        command += ['--checkpoint', *checkpoint]
        command += ['--streams', *streams, '--seeds', *map(str, self.preset.seeds)]
        command += ['--gpus', str(self.gpus)] if self.gpus > 1 else []
        options = [*self.preset.finetune_options, *self.share_batch(config, parameters)]
        if options:
            command += ['--cfg-options', *options]
        runs = len(streams) * len(self.preset.seeds)
        return Step(key, tuple(command), steps, config, runs, part, data, parameters)

    def share_batch(self, config: str, parameters: Tuple[str, ...]) -> List[str]:
        """The option by which the processes share the batch of a config, at its learning rate.

        Raises:
            ValueError: If they cannot share it equally.
        """
        if self.gpus == 1:
            return []
        size = read_config(config, parameters).train_dataloader.batch_size
        if size % self.gpus:
            raise ValueError(
                f'{" ".join((config, *parameters))} has a batch of {size}, which {self.gpus} '
                f'processes cannot share equally; expected --gpus to divide {size}'
            )
        return [f'train_dataloader.batch_size={size // self.gpus}']


@cache
def read_config(config: str, parameters: Tuple[str, ...]) -> Config:
    """A step's config with its parameters; read once, not to be changed."""
    pairs = zip(parameters[::2], parameters[1::2])
    return load_config(str(ROOT / config), **{name[2:]: value for name, value in pairs})


def name_parameters(data: str, **others: Optional[str]) -> Tuple[str, ...]:
    """Options that are parameters of a config; images have configs of their own and none."""
    if data in IMAGES:
        return ()
    pairs = dict(data=data, **others).items()
    return tuple(part for name, value in pairs if value for part in (f'--{name}', value))


def slug(parts: Sequence[str], options: Sequence[str] = ()) -> str:
    """Folder name from a config's name, its parameters and changed options."""
    changed = [option.rpartition('.')[2] for option in options]
    return re.sub(r'[^\w.=,-]+', '', '_'.join([*parts, *changed]))


def order_steps(steps: Sequence[Step]) -> List[Step]:
    """All steps, each once, after the steps that it needs."""
    found: Dict[str, Step] = {}

    def visit(step: Step) -> None:
        for other in step.needs:
            visit(other)
        found.setdefault(step.key, step)

    for step in steps:
        visit(step)
    return list(found.values())


CHANGES = dict(  # of what is recorded of a step besides its command
    variables='with other values of the environment variables {}',
    config='of another version of {}',
    data='of other contents of {}',
    needs='of other results of {}',
)


def collect_facts(step: Step, out: Path) -> Dict[str, Dict[str, Optional[str]]]:
    """What decides the results of a step besides its command, for each of ``CHANGES`` by name."""
    facts = dict(describe_inputs(step.config, step.parameters)) if step.runs else {}
    return dict(facts, needs={other.key: hash_results(out / other.key) for other in step.needs})


@cache
def describe_inputs(config: str, parameters: Tuple[str, ...]) -> Dict[str, Dict]:
    """Variables that a step's config reads from the environment, and hashes of config and data."""
    cfg = read_config(config, parameters)
    digest = hashlib.sha256(cfg.pretty_text.encode()).hexdigest()
    return dict(variables=dict(cfg.env_variables), config={config: digest}, data=hash_data(cfg))


def hash_results(folder: Path) -> Optional[str]:
    """SHA-256 of what other steps read of a step: its checkpoint or features, None without."""
    file = Path(find_latest(str(folder)) or folder / 'features.npz')
    return hash_file(str(file)) if file.is_file() else None


def find_state(step: Step, out: Path) -> str:
    """'' or 'done before', and what is not known of it if an older version has done it.

    Raises:
        ValueError: If it was done with another command, config or data, or after other steps.
    """
    path = out / step.key / 'step.json'
    if not path.is_file():
        return ''
    before = json.loads(path.read_text())
    changed = ''
    if before['command'] != list(step.command):
        changed = f'of another command ({" ".join(before["command"])[:200]} ...)'
    elif 'needs' not in before:
        return 'done before, without a record of its config, data and encoders'
    else:
        for kind, now in collect_facts(step, out).items():
            known = before.get(kind, {})
            names = [name for name in {**known, **now} if known.get(name) != now.get(name)]
            if names and not changed:
                changed = CHANGES[kind].format(', '.join(names))
    if changed:
        raise ValueError(
            f'{path.parent} holds results {changed}; name another --out, or remove that folder'
        )
    return 'done before'


def run_step(step: Step, out: Path) -> None:
    """Run a step with its output in step.log; record that it is done, and what it depends on.

    Raises:
        RuntimeError: If the tool fails, with the end of its output.
    """
    folder = out / step.key
    folder.mkdir(parents=True, exist_ok=True)
    record = dict(command=list(step.command), **collect_facts(step, out))
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
    temporary.write_text(json.dumps(record, indent=2) + '\n')
    os.replace(temporary, folder / 'step.json')
