"""Stops a run whose numbers are no longer finite, and writes a report."""

import json
import math
import os.path as osp
from typing import Any, Dict

from mmengine.dist import barrier, is_main_process

from deeprank_plugin.engine.recovery.checkpoints import WHOLE_FILES

PREFIX = 'non_finite_'
ADVICE = (
    'lower the learning rate or clip the gradients (optim_wrapper.clip_grad=dict(max_norm=1)), and '
    'look at the samples that the file names (tools/data/check_annotations.py; far from 0?)'
)


class NonFiniteError(FloatingPointError):
    """Training stopped because a number is NaN or infinite."""


def stop_run(runner, name: str, report: Dict[str, Any], sentence: str) -> None:
    """Write a report and the current weights into the work dir, and raise.

    The main process writes ``non_finite_<name>.json`` and ``.pth``; the others wait, because a
    launcher ends all processes as soon as one has ended. The checkpoint has no optimiser state, and
    ``last_checkpoint`` does not name it: ``--resume`` uses the last ordinary one.

    Args:
        runner (Runner): Its model is saved.
        name (str): Part of the files' names.
        report (dict): Content of the JSON file; 'iteration' and 'epoch' (from 1) default to
            the runner's.
        sentence (str): Cause, the first sentence of the error.

    Raises:
        NonFiniteError: Always, with the sentence, where the files are and what to change.
    """
    stem = f'{PREFIX}{name}'
    path = osp.join(runner.work_dir, f'{stem}.json')
    if is_main_process():
        where = dict(iteration=runner.iter, epoch=runner.epoch + 1, weights=f'{stem}.pth')
        report = {**where, **report}
        with open(path, 'w', encoding='utf-8') as file:
            json.dump(to_json(report), file, indent=1)
            file.write('\n')
        runner.save_checkpoint(
            runner.work_dir,
            f'{stem}.pth',
            save_optimizer=False,
            save_param_scheduler=False,
            meta=dict(epoch=report['epoch'] - 1, iter=report['iteration'], non_finite=True),
            backend_args=dict(WHOLE_FILES),
        )
    barrier()
    raise NonFiniteError(
        f'{sentence}. Names and values are in {path}, the weights before it in {stem}.pth beside '
        f'it: {ADVICE}; --resume takes the last ordinary checkpoint'
    )


def to_json(value: Any) -> Any:
    """Replace NaN and infinities, which JSON lacks, by the strings 'nan', 'inf' and '-inf'."""
    if isinstance(value, dict):
        return {key: to_json(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(part) for part in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
