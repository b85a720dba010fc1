"""The figures of a run from its JSON logs, also of one that was interrupted and resumed."""

import json
from pathlib import Path
from typing import Dict, List, Tuple, Union


def read_logs(work_dir: Union[str, Path]) -> List[Dict]:
    """Entries of all starts of a run, as if it had never been interrupted.

    Each start writes ``<time>/vis_data/scalars.json``. What a start logged beyond the checkpoint
    that the next one resumed from is logged again by that one: the last entry counts. A last line
    that the end of the process, or a full disk, has cut is left out.

    Args:
        work_dir (str or Path): Folder of the run.

    Returns:
        list[dict]: Of a training step with 'step' its iteration, of a validation or a relabelling
        with 'step' its epoch; in the order in which they were last logged.

    Raises:
        ValueError: If another line than the last of a file is no JSON.
    """
    entries: Dict[Tuple, Dict] = {}
    for path in sorted(Path(work_dir).glob('*/vis_data/scalars.json')):
        lines = path.read_text(encoding='utf-8').splitlines()
        for number, line in enumerate(lines, 1):
            try:
                entry = json.loads(line)
            except json.JSONDecodeError as error:
                if number == len(lines):
                    continue
                raise ValueError(
                    f'line {number} of {path} is no JSON ({error}); expected one entry a line, as '
                    'MMEngine writes them: remove the line, or restore the file'
                ) from None
            key = (kind_of(entry), entry.get('step'))
            entries.pop(key, None)
            entries[key] = entry
    return list(entries.values())


def kind_of(entry: Dict) -> str:
    """Which of the three writes such entries: 'train', 'val' or 'relabel'."""
    if any(key.startswith('relabel/') for key in entry):
        return 'relabel'
    return 'train' if 'iter' in entry else 'val'
