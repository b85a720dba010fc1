"""Shared by all plots: colours, figures, texts and files."""

import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import Iterable, Iterator, List

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito's colour-blind-safe palette, then darker and lighter colours
COLORS = (
    '#0072B2 #E69F00 #009E73 #D55E00 #CC79A7 #56B4E9 #000000 #F0E442 '
    '#7F3C8D #80BA5A #A5AA99 #994E00 #004D80 #7A5200 #FF9DA7 #4B4B8F '
    '#B07AA1 #59A14F #9C755F #BAB0AC'
).split()


def new_figure(width: float, height: float) -> Figure:
    """Make a figure that needs no display and no pyplot state; sizes in inches."""
    figure = Figure(figsize=(width, height), layout='constrained', dpi=130)
    FigureCanvasAgg(figure)
    return figure


@contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """A name beside a file to write to: the file gets it whole or not at all.

    Missing folders are created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'{path.stem}.part{path.suffix}')
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def file_names(titles: Iterable[str]) -> List[str]:
    """A unique file name for each title, without an ending, made from its letters and digits."""
    names: List[str] = []
    used = set()  # in lower case: some file systems ignore case
    for title in titles:
        plain = re.sub(r'[^\w.-]+', '_', title).lstrip('.')[:150] or 'sequence'
        name, number = plain, 1
        while name.lower() in used:
            number += 1
            name = f'{plain}_{number}'
        used.add(name.lower())
        names.append(name)
    return names


def truncate(text: str, width: int = 44) -> str:
    """Shorten a text to a width."""
    return text if len(text) <= width else text[: width - 1].rstrip() + '…'


def as_clock(seconds: float, tenths: bool = False) -> str:
    """Seconds as minutes:seconds: 75 is 1:15, 75.2 is 1:15.2, and an hour 1:00:00.

    Args:
        seconds (float): From 0.
        tenths (bool): Show tenths of whole seconds as well. Defaults to False.
    """
    minutes, rest = divmod(round(10 * seconds), 600)
    hours, minutes = divmod(minutes, 60)
    text = f'{hours}:{minutes:02d}' if hours else f'{minutes}'
    second, tenth = divmod(rest, 10)
    return f'{text}:{second:02d}' + (f'.{tenth}' if tenth or tenths else '')
