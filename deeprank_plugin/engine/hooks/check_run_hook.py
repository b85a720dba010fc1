"""Checks before the first step what would otherwise fail later, or never and falsify a result."""

from mmaction.registry import HOOKS
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import BaseLoop

from deeprank_plugin.engine.hooks.epoch_seed_hook import leaf_datasets
from deeprank_plugin.engine.loaders import loaders_in_use, require_batches
from deeprank_plugin.engine.metric_names import require_metric
from deeprank_plugin.models.utils import unwrap


@HOOKS.register_module()
class CheckRunHook(Hook):
    """Raises before training, validation and test if data, model and settings do not match.

    - The training loader must give a batch (:class:`ResumableTrainLoop` checks it earlier).
    - Every label of a ``SkeletonDataset`` must be below the ``num_classes`` of the model's
      classifier. MMAction2's metrics count a larger one as a miss, and a GPU stops in an assertion.
    - MMEngine's ``compile=True`` must not be set: :class:`CompileHook` compiles the encoders.
    - ``save_best`` and a monitored metric must be names that the validation reports.

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
        require_batches(runner.train_dataloader)
        self._check_labels(runner)
        self._check_metrics(runner)

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
        for hook in runner.hooks:
            settings = []
            if isinstance(hook, CheckpointHook) and hook.save_best:
                names = [name for name in hook.key_indicators if name != 'auto']
                settings = [(name, f'save_best of {type(hook).__name__}') for name in names]
            monitor = getattr(getattr(hook, 'schedule', None), 'monitor', None)
            if monitor is not None:
                settings = [(monitor, f'monitor of {type(hook).__name__}')]
            for name, setting in settings:
                if validates:
                    require_metric(name, runner.val_evaluator.metrics, setting)
                else:
                    runner.logger.warning(
                        f'{setting} waits for the metric {name!r}, and this run has no '
                        'validation: it will never be reported.'
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
