"""Checks before the first step what would otherwise fail later, or never and falsify a result."""

import os.path as osp
from typing import Any, Dict, List, Optional, Tuple

from mmaction.registry import HOOKS
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import BaseLoop
from torch.utils.data import DataLoader

from deeprank_plugin.datasets import AddPlainView
from deeprank_plugin.engine.hooks.epoch_seed_hook import leaf_datasets
from deeprank_plugin.engine.loaders import (
    have_equal_batches,
    loaders_in_use,
    require_batches,
    require_triplets,
)
from deeprank_plugin.engine.metric_names import require_metric
from deeprank_plugin.engine.reporting import log_separate_samples
from deeprank_plugin.models.utils import unwrap


@HOOKS.register_module()
class CheckRunHook(Hook):
    """Raises before training, validation and test if data, model and settings do not match.

    - The training loader must give a batch (:class:`ResumableTrainLoop` checks it earlier).
    - The validation loader must give a batch of 3 samples if ``RankMetric`` is to rank them.
    - Every label of a ``SkeletonDataset`` must be below the ``num_classes`` of the model's
      classifier. MMAction2's metrics count a larger one as a miss, and a GPU stops in an assertion.
    - Validation samples that are trained on as well, such as those of splits that overlap or of two
      different ``holdout``, are warned of.
    - MMEngine's ``compile=True`` must not be set: :class:`CompileHook` compiles the encoders.
    - A plain view must be added to the training samples if the model has a momentum teacher, and
      only then: any other last clip would be taken for it, or averaged with the encoder's.
    - ``save_best`` and the metrics that hooks and schedules monitor must be names that the
      validation reports.

    A pretrainer that gathers samples over processes learns whether their batches are equally large,
    which saves exchanging the sizes in each step; the log mentions one with ``gather=False``.

    Raises:
        ValueError: Says what was found, what was expected and what to set.
    """

    priority = 'VERY_HIGH'

    def before_run(self, runner) -> None:
        """Check the settings of any run."""
        if runner.cfg.get('compile'):
            raise ValueError(
                f'compile={runner.cfg.compile!r} compiles the whole step, which PyTorch repeats in '
                "every step, because the samples' names change; expected it not to be set: set "
                "default_hooks=dict(compile=dict(type='CompileHook')), which compiles the encoders "
                'once, and takes the arguments of torch.compile'
            )

    def before_train(self, runner) -> None:
        """Check data and settings of a training run."""
        interval = getattr(runner.train_loop, 'val_interval', 1)
        if interval < 1:
            raise ValueError(f'train_cfg.val_interval={interval}; expected at least 1')
        require_batches(runner.train_dataloader)
        if isinstance(runner._val_loop, BaseLoop):
            require_triplets(runner.val_dataloader, runner.val_evaluator.metrics)
            overlap = describe_overlap(runner.train_dataloader, runner.val_dataloader)
            if overlap is not None:
                runner.logger.warning(overlap)
        self._check_labels(runner)
        check_plain_view(unwrap(runner.model), runner.train_dataloader)
        self._check_metrics(runner)
        model = unwrap(runner.model)
        log_separate_samples(runner, model)
        if getattr(model, 'gather', None):
            model.equal_batches = have_equal_batches(runner.train_dataloader)

    def before_val(self, runner) -> None:
        """Check the labels of the data in use."""
        self._check_labels(runner)

    before_test = before_val

    @staticmethod
    def _check_labels(runner) -> None:
        number = getattr(getattr(unwrap(runner.model), 'cls_head', None), 'num_classes', None)
        if number is None:
            return
        for loader in loaders_in_use(runner):
            for dataset in leaf_datasets(loader.dataset):
                check_labels(dataset, number)

    @staticmethod
    def _check_metrics(runner) -> None:
        validates = isinstance(runner._val_loop, BaseLoop)
        for name, setting in list_monitored(runner):
            if validates:
                require_metric(name, runner.val_evaluator.metrics, setting)
            else:
                runner.logger.warning(
                    f'{setting} waits for the metric {name!r}, and this run has no '
                    'validation: it will never be reported.'
                )


def describe_overlap(train: DataLoader, val: DataLoader) -> Optional[str]:
    """A sentence if samples of the validation data are trained on, else None.

    Samples are known by annotation file and name; other data sets are not compared.
    """
    trained, validated = name_samples(train), name_samples(val)
    both = [sample for sample in validated if sample in trained]
    if not both:
        return None
    return (
        f'{len(both)} of {len(validated)} validation samples, such as {both[0][1]!r} of '
        f'{both[0][0]}, are trained on as well: the validation says nothing of other samples. '
        'Correct the splits, or give both loaders the same holdout share and seed.'
    )


def name_samples(loader: DataLoader) -> Dict[Tuple[str, str], None]:
    """(annotation file, name) of the samples of the data sets that know them."""
    names: Dict[Tuple[str, str], None] = {}
    for dataset in leaf_datasets(loader.dataset):
        known = getattr(dataset, 'sample_names', ())
        for row in getattr(dataset, 'sample_rows', ()):
            names[osp.abspath(dataset.ann_file), known[row]] = None
    return names


def list_monitored(runner) -> List[Tuple[str, str]]:
    """Names of the metrics that a run's hooks and schedules wait for, each with what names it."""
    found = []
    for hook in runner.hooks:
        owner = type(hook).__name__
        if isinstance(hook, CheckpointHook) and hook.save_best:
            names = [name for name in hook.key_indicators if name != 'auto']
            found += [(name, f'save_best of {owner}') for name in names]
        for part in (hook, getattr(hook, 'schedule', None)):
            monitor = getattr(part, 'monitor', None)
            if isinstance(monitor, str):
                found.append((monitor, f'monitor of {owner}'))
    schedulers = runner.param_schedulers or []
    groups = schedulers.values() if isinstance(schedulers, dict) else [schedulers]
    for scheduler in [scheduler for group in groups for scheduler in group]:
        if getattr(scheduler, 'need_val_args', False):
            found.append((scheduler.monitor, f'monitor of {type(scheduler).__name__}'))
    return found


def check_plain_view(model, loader: DataLoader) -> None:
    """Compare a model's momentum teacher with what the training samples hold.

    Raises:
        ValueError: If there is a teacher and no plain view, or the reverse.
    """
    pipelines: List[Any] = [
        getattr(part, 'pipeline', None) for part in leaf_datasets(loader.dataset)
    ]
    if not all(hasattr(pipeline, 'transforms') for pipeline in pipelines):
        return  # a data set of another kind
    steps = [step for pipeline in pipelines for step in pipeline.transforms]
    added = any(isinstance(step, AddPlainView) for step in steps)
    preprocessor = getattr(model, 'data_preprocessor', None)
    added = added or getattr(preprocessor, 'plain', None) is not None
    momentum = getattr(model, 'teacher_momentum', None)
    if added and momentum is None:
        raise ValueError(
            f'AddPlainView or augment.plain adds a plain view to the samples, and '
            f'{type(model).__name__} has no teacher_momentum: it would average the view with the '
            "encoder's own; set model.teacher_momentum, or take the plain view out"
        )
    if momentum is not None and not added:
        raise ValueError(
            f'{type(model).__name__}(teacher_momentum={momentum}) expects the plain view after the '
            "encoder's, and neither the training pipeline nor the data preprocessor adds it: set "
            "dict(type='AddPlainView', transforms=[...], plain=[...]) in the training pipeline, or "
            'data_preprocessor.augment.plain=0.95'
        )


def check_labels(dataset, num_classes: int) -> None:
    """Compare the labels of a data set that knows them with a number of classes.

    Raises:
        ValueError: Names the file, a sample and its label.
    """
    found = getattr(dataset, 'sample_of_label', None)
    if not found or max(found) < num_classes:
        return
    label = max(found)
    raise ValueError(
        f'sample {found[label]!r} of {dataset.ann_file} has label {label}, and the classifier has '
        f'{num_classes} classes; expected labels from 0 to {num_classes - 1}: set '
        f'model.cls_head.num_classes={label + 1}, or number the labels of the file from 0'
    )
