"""Class names from an annotation file or a checkpoint, so that new data get the same numbers."""

from pathlib import Path
from typing import List, Mapping, Union

from deeprank_plugin.datasets.annotations import load_annotations
from deeprank_plugin.engine.encoders import read_checkpoint

ANNOTATIONS = ('.pkl', '.pickle', '.npz')


def read_class_names(path: Union[str, Path]) -> List[str]:
    """Names by class: ``label_names`` of an annotation file, or those that a checkpoint records.

    Args:
        path (str or Path): Annotation file (``.pkl``, ``.npz``), or checkpoint of a run.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it cannot be read, or names no classes.
    """
    path = Path(path)
    if path.suffix in ANNOTATIONS:
        content = load_annotations(path)
        names = content.get('label_names') if isinstance(content, dict) else None
        place = 'label_names'
    else:
        meta = read_checkpoint(path).get('meta')
        dataset_meta = meta.get('dataset_meta') if isinstance(meta, Mapping) else None
        names = dataset_meta.get('classes') if isinstance(dataset_meta, Mapping) else None
        place = "meta['dataset_meta']['classes']"
    named = isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names)
    if not named or not names:
        raise ValueError(
            f'{path} has no class names in {place}; expected a list of names: give a file that has '
            'them, or leave --classes out'
        )
    return list(names)
