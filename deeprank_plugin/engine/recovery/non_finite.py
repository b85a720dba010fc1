"""What is kept of a run whose numbers are no longer finite."""

import json
import math
import os.path as osp
from typing import Any, Dict

from mmengine.dist import barrier, is_main_process

PREFIX = 'non_finite_'
ADVICE = (
    'lower the learning rate or clip the gradients (optim_wrapper.clip_grad=dict(max_norm=1)), and '
    'look at the samples that the file names (tools/data/check_annotations.py; far from 0?)'
)


class NonFiniteError(FloatingPointError):
    """Training was stopped before a number that is NaN or infinite spoiled the weights."""


def stop(runner, name: str, report: Dict[str, Any], sentence: str) -> None:
    """Write a report and the weights as they are into the work dir, and raise.

    The main process writes ``non_finite_<name>.json`` and ``.pth``; the others wait, because a
    launcher ends them all as soon as one has ended. The checkpoint has no optimiser, and
    ``last_checkpoint`` does not name it: ``--resume`` goes on from the last ordinary one.

    Args:
        runner (Runner): It has the model to be saved.
        name (str): Of the files.
        report (dict): What the JSON file holds beside iteration, epoch and weights.
        sentence (str): What was found.

    Raises:
        NonFiniteError: Always, with the sentence, where the files are and what to change.
    """
    stem = f'{PREFIX}{name}'
    path = osp.join(runner.work_dir, f'{stem}.json')
    if is_main_process():
        report = dict(
            iteration=runner.iter, epoch=runner.epoch + 1, weights=f'{stem}.pth', **report
        )
        with open(path, 'w', encoding='utf-8') as file:
            json.dump(plain(report), file, indent=1)
            file.write('\n')
        runner.save_checkpoint(
            runner.work_dir,
            f'{stem}.pth',
            save_optimizer=False,
            save_param_scheduler=False,
            meta=dict(epoch=runner.epoch, iter=runner.iter, non_finite=True),
        )
    barrier()
    raise NonFiniteError(
        f'{sentence}. Names and values are in {path}, the weights before it in {stem}.pth beside '
        f'it: {ADVICE}; --resume goes on from the last ordinary checkpoint'
    )


def plain(value: Any) -> Any:
    """The same with texts 'nan' and 'inf' for what JSON has no numbers for."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
