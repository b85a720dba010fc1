"""Who performs a sequence, and hold-outs of whole subjects."""

import re
from typing import Dict, List, Mapping, Optional, Sequence

from .subsets import draw_holdout

KEYS = ('subject', 'performer')
NAMES = (
    re.compile(r'S\d{3}C\d{3}P(\d{3})R\d{3}A\d{3}', re.ASCII),  # NTU RGB+D
    re.compile(r'm\d{2}_s(\d{2})_e\d{2}', re.ASCII),  # UI-PRMD
)
PARTS = ('train', 'holdout', 'both')
HELD_OUT = 'holdout'
"""Split of the samples of the held-out subjects, where both parts are read."""


def subject_of(annotation: Mapping) -> Optional[str]:
    """Who performs a sequence: '7' for P007. None if nothing tells.

    The key ``subject`` or ``performer`` of the annotation counts, then a name of NTU RGB+D
    (S001C001P007R001A001) or UI-PRMD (m01_s07_e01).
    """
    for key in KEYS:
        if annotation.get(key) is not None:
            return normalise(str(annotation[key]))
    found = (pattern.search(str(annotation.get('frame_dir'))) for pattern in NAMES)
    return next((normalise(match[1]) for match in found if match), None)


def normalise(subject: str) -> str:
    """A number without leading zeros; a name as it stands."""
    return str(int(subject)) if subject.isdecimal() else subject


def check_subjects(subjects: Mapping) -> Dict:
    """Complete the settings of a hold-out by subject with the defaults.

    Raises:
        ValueError: If a key or a value is invalid.
    """
    settings = dict(dict(part='train'), **subjects)
    if set(settings) == {'part', 'held_out'}:
        held_out = settings['held_out']
        if isinstance(held_out, (str, bytes)) or not held_out:
            raise ValueError(f'subjects held_out={held_out!r}; expected a list such as [1, 5]')
        settings['held_out'] = [normalise(str(subject)) for subject in held_out]
    elif set(settings) - {'seed'} == {'part', 'share'}:
        settings.setdefault('seed', 0)
        if not 0 < settings['share'] < 1:
            raise ValueError(f'subjects share={settings["share"]}; expected between 0 and 1')
    else:
        raise ValueError(
            f'subjects has the keys {sorted(subjects)}; expected part, and either held_out or '
            'share (and seed)'
        )
    if settings['part'] not in PARTS:
        raise ValueError(f'subjects part={settings["part"]!r}; expected one of {PARTS}')
    return settings


def select_subjects(infos: Sequence[Dict], settings: Mapping, source: str) -> List[Dict]:
    """Samples of the subjects that remain, of those that are held out, or of both.

    Args:
        infos (Sequence[dict]): Annotations.
        settings (Mapping): Result of :func:`check_subjects`.
        source (str): For messages, such as 'samples of a.pkl (xsub_train)'.

    Returns:
        list[dict]: In the same order; with part 'both' those held out have the split
        :data:`HELD_OUT`.

    Raises:
        ValueError: If the subject of a sample is not known, a subject that is to be held out does
            not occur, or none remains.
    """
    subjects = [subject_of(info) for info in infos]
    if None in subjects:
        name = infos[subjects.index(None)]['frame_dir']
        raise ValueError(
            f'{source}: nothing tells the subject of {name!r} ({subjects.count(None)} of '
            f'{len(infos)} such samples); expected the key subject in each annotation, or names '
            'like S001C001P001R001A001 (NTU RGB+D): add the key, or hold out a share of the samples'
        )
    known = sorted(set(map(str, subjects)), key=lambda s: (len(s), s))
    if 'held_out' in settings:
        held = set(settings['held_out'])
    else:
        held = draw_holdout(known, settings['share'], settings['seed'])
    if held - set(known) or held >= set(known):
        problem = 'leave none' if held >= set(known) else f'lack {sorted(held - set(known))}'
        raise ValueError(
            f'{source} {problem} if the subjects {sorted(held)} are held out; expected some, but '
            f'not all, of {", ".join(known)}'
        )
    if settings['part'] == 'both':
        return [
            dict(info, split=HELD_OUT) if subject in held else info
            for info, subject in zip(infos, subjects)
        ]
    keep = settings['part'] == 'holdout'
    return [info for info, subject in zip(infos, subjects) if (subject in held) == keep]
