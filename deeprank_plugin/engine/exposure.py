"""Compares the samples that a checkpoint was trained on with those that a run is tested on.

Both are known by their configs: annotation files by name, since data move, splits, and hold-outs.
"""

import filecmp
import os.path as osp
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Set, Tuple

from deeprank_plugin.datasets.subjects import check_subjects

from .encoders import list_some, read_checkpoint_config
from .hooks.epoch_seed_hook import leaf_datasets
from .loaders import leaf_configs, loaders_in_use
from .resuming import flatten, pick

SHAPES = dict(clip_len='clips of {} frames', num_person='{} bodies a sample')
"""Settings of a pipeline that an encoder is used to."""


class Samples(NamedTuple):
    """Samples of one data set, by its config.

    Attributes:
        files: Names of the annotation files, without folders.
        splits: Names of the splits; empty for all samples.
        subjects: Hold-out of subjects, with ``part``; None for all of them.
        holdout: Hold-out of samples, with ``part``; None for all of them.
        listed: Whether a text file names the samples.
    """

    files: Tuple[str, ...]
    splits: Tuple[str, ...]
    subjects: Optional[Mapping]
    holdout: Optional[Mapping]
    listed: bool

    def __str__(self) -> str:
        text = list_some(self.files) + (f' ({", ".join(self.splits)})' if self.splits else '')
        if self.subjects is None:
            return text
        who = self.subjects.get('held_out') or [f'a share of {self.subjects["share"]:g}']
        without = 'without' if self.subjects['part'] == 'train' else 'with'
        return f'{text} {without} the held-out subjects {", ".join(who)}'


@dataclass
class Use:
    """What a run does with a checkpoint.

    Attributes:
        tested: The samples that it is tested on.
        files: Paths of the annotation files that it trains on or is tested on.
        shapes: Values of each of :data:`SHAPES`.
        names: Of each file that the run has read, the samples' names by split.
        allow: Whether the test samples may have been trained on with labels.
    """

    tested: List[Samples]
    files: List[str]
    shapes: Dict[str, Set[int]]
    names: Dict[str, Mapping] = field(default_factory=dict, repr=False)
    allow: bool = False


def describe_use(runner, allow: bool = False) -> Use:
    """Look up in a runner what its loaded checkpoint or encoder is used on.

    Args:
        runner (Runner): With the loaders that it has built so far.
        allow (bool): Of :class:`Use`. Defaults to False.
    """
    names: Dict[str, Mapping] = {}
    for loader in loaders_in_use(runner):
        for part in leaf_datasets(loader.dataset):
            for path, splits in zip(
                getattr(part, 'ann_files', ()), getattr(part, 'file_splits', ())
            ):
                names[osp.basename(path)] = splits
    loaders = [runner.cfg.get(f'{name}_dataloader') for name in ('train', 'val', 'test')]
    files = [path for loader in loaders for path in find_files(loader)]
    return Use(find_tested(runner.cfg), files, find_shapes(runner.cfg), names, allow)


def find_tested(config: Mapping) -> List[Samples]:
    """Samples that a config tests on or, without a test, validates on; not the bank of a k-NN."""
    metrics = config.get('test_evaluator') or ()
    metrics = metrics if isinstance(metrics, (list, tuple)) else [metrics]
    banks = {metric['bank_split'] for metric in metrics if 'bank_split' in metric}
    found = []
    for part in find_samples(config.get('test_dataloader') or config.get('val_dataloader')):
        queries = tuple(split for split in part.splits if split not in banks)
        if queries or not part.splits or part.subjects is not None:
            found.append(part._replace(splits=queries or part.splits))
    return found


def find_samples(loader: Optional[Mapping]) -> List[Samples]:
    """Samples of a loader's config; data sets without annotation files are left out."""
    found = []
    for leaf in leaf_configs((loader or {}).get('dataset') or {}):
        files, splits = leaf.get('ann_file'), leaf.get('split') or ()
        if files:
            found.append(
                Samples(
                    tuple(map(osp.basename, [files] if isinstance(files, str) else files)),
                    (splits,) if isinstance(splits, str) else tuple(splits),
                    leaf.get('subjects') and check_subjects(leaf['subjects']),
                    leaf.get('holdout') and dict(dict(seed=0, part='train'), **leaf['holdout']),
                    isinstance(leaf.get('labels'), str),
                )
            )
    return found


def find_files(loader: Optional[Mapping]) -> List[str]:
    """Paths of the annotation files of a loader's config."""
    leaves = leaf_configs((loader or {}).get('dataset') or {})
    named = [leaf.get('ann_file') or () for leaf in leaves]
    return [path for files in named for path in ([files] if isinstance(files, str) else files)]


def find_shapes(config: Mapping) -> Dict[str, Set[int]]:
    """Values of each of :data:`SHAPES` in the pipeline of validation, else of test or training."""
    loaders = (config.get(f'{name}_dataloader') for name in ('val', 'test', 'train'))
    values = list(flatten(pick(next(filter(None, loaders), {}), 'dataset')))
    return {key: {v for path, v in values if path.endswith(f'.{key}')} for key in SHAPES}


def describe_files(checkpoint: Any, use: Use) -> List[str]:
    """Clauses on files that a checkpoint was trained on where a run reads others of their names.

    Names of work dirs, and so the default encoder, hold the name of a file without its folder.
    Files that are no longer in their place were moved, as far as one can know.

    Args:
        checkpoint (dict): What its file holds.
        use (Use): Of the run.
    """
    pairs = [
        (path, own)
        for path in find_files(read_config(checkpoint).get('train_dataloader'))
        for own in dict.fromkeys(use.files)
        if osp.basename(path) == osp.basename(own) and osp.isfile(path) and osp.isfile(own)
    ]
    return [
        f'was pretrained on {path}, which is another file than {own} of this run: if you mean the '
        'encoder of the latter, name it with --pretrained'
        for path, own in pairs
        if not filecmp.cmp(path, own)
    ]


def describe_shapes(checkpoint: Any, use: Use) -> List[str]:
    """Clauses on the clips and bodies that a checkpoint was trained with, where a run has others.

    Args:
        checkpoint (dict): What its file holds.
        use (Use): Of the run.
    """
    before = find_shapes(read_config(checkpoint))
    return [
        f'was pretrained with {text.format(list_values(before[key]))}, and this run has '
        f'{text.format(list_values(use.shapes[key]))}: the features may be worse; set {key} of the '
        f'pipelines to {list_values(before[key])}, or pretrain with that of this run'
        for key, text in SHAPES.items()
        if before[key] and use.shapes[key] and before[key] != use.shapes[key]
    ]


def list_values(values: Set[int]) -> str:
    """Text of some numbers."""
    return ' and '.join(map(str, sorted(values)))


def check_exposure(checkpoint: Any, use: Use) -> Optional[str]:
    """Find out whether a checkpoint was trained on samples that a run is tested on.

    A test on the split itself that was trained on is taken for intended.

    Args:
        checkpoint (dict): What its file holds.
        use (Use): Of the run.

    Returns:
        str, optional: A clause to warn with, if they are the same and no labels were used, or if
        that is intended or allowed; None if they differ, or nothing is known of the checkpoint.

    Raises:
        ValueError: With such a clause, if it was trained with the labels of these samples.
    """
    config = read_config(checkpoint)
    for trained in find_samples(config.get('train_dataloader')):
        for tested in use.tested:
            if not overlap(trained, tested, use.names):
                continue
            labels = 'with' if reads_labels(config) else 'without'
            clause = (
                f'was trained {labels} labels on {trained}, and this run is tested on {tested}: '
                'THE TEST SAMPLES, OR SOME, WERE TRAINED ON'
            )
            intended = not (tested.subjects or tested.holdout) and (
                set(tested.splits) <= set(trained.splits)
            )
            if labels == 'without' or intended or trained.listed or use.allow:
                return clause
            raise ValueError(
                f'{clause}; expected others, or the figure is of the training: train without them '
                '(with the --data and --holdout-subjects of this run), or test on other samples'
            )
    return None


def read_config(checkpoint: Any) -> Mapping:
    """The config in a checkpoint, empty if there is none."""
    try:
        return read_checkpoint_config(checkpoint)
    except (AttributeError, ValueError):
        return {}


def reads_labels(config: Mapping) -> bool:
    """Whether the model of a config learns from class labels."""
    classes = pick(config, 'model.cls_head.num_classes')
    return classes is not None or str(config['model']['type']).endswith('SupervisedTriplet')


def overlap(trained: Samples, tested: Samples, names: Mapping[str, Mapping]) -> bool:
    """Whether some samples belong to both.

    Args:
        trained (Samples): Of the checkpoint.
        tested (Samples): Of the run.
        names (Mapping): Names of the samples by file and split, where known. Of other files, only
            splits of the same name have the same samples.
    """
    for file in set(trained.files) & set(tested.files):
        splits = names.get(file, {})
        first, second = set(trained.splits), set(tested.splits)
        if len(trained.files) > 1 and splits and not first & set(splits):
            first = set()  # all samples are taken, see split_or_all
        chosen = [
            {name for split in part for name in splits.get(split, ())} for part in (first, second)
        ]
        if first and second and not first & second and not set.intersection(*chosen):
            continue
        subjects = trained.subjects if file == trained.files[0] else None
        if not (are_apart(subjects, tested.subjects) or are_apart(trained.holdout, tested.holdout)):
            return True
    return False


def are_apart(trained: Optional[Mapping], tested: Optional[Mapping]) -> bool:
    """Whether two hold-outs keep parts that have nothing in common."""
    if trained is None or tested is None:
        return False
    rules = [{key: rule[key] for key in rule if key != 'part'} for rule in (trained, tested)]
    parts = trained['part'], tested['part'].replace('both', 'holdout')  # the queries of a k-NN
    held = [set(rule.get('held_out', ())) for rule in rules]
    within = parts == ('train', 'holdout') and bool(held[1]) and held[1] <= held[0]
    return within or (rules[0] == rules[1] and set(parts) == {'train', 'holdout'})
