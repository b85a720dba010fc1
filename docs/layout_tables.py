"""Write the tables of docs/layouts.md from the package: python docs/layout_tables.py."""

from pathlib import Path
from typing import Dict, List, Sequence

from deeprank_plugin.layouts import LAYOUTS, Layout, find_map

PAGE = Path(__file__).with_name('layouts.md')
BEGIN = '<!-- made by docs/layout_tables.py -->'
END = '<!-- end of what is made -->'


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ['---'] * len(head), *rows]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def list_layouts() -> str:
    """All layouts: joints, coordinates, centre, roots of bones."""
    rows = [
        [
            f'`{layout.name}`',
            str(layout.num_joints),
            'x, y, score' if layout.planar else 'x, y, z',
            layout.names[layout.center],
            layout.names[layout.origin_joint],
            str(len(layout.left)),
        ]
        for layout in LAYOUTS.values()
    ]
    return table(['layout', 'joints', 'channels', 'centre', 'origin', 'left-right pairs'], rows)


def list_joints(layout: Layout) -> str:
    """The joints of a layout by number, with the other end of their bone."""
    joints = [
        name if parent == joint else f'{name}-{parent}'
        for (joint, parent), name in zip(layout.pairs, layout.names)
    ]
    return ', '.join(f'{joint} {text}' for joint, text in enumerate(joints))


def tell(parts: Dict[str, float]) -> str:
    """The parts of a joint, with their weights where these differ."""
    if not parts:
        return 'missing'
    if len(set(parts.values())) == 1:
        return ' + '.join(parts)
    return ' + '.join(f'{weight:g} {name}' for name, weight in parts.items())


def list_maps(target: str) -> str:
    """The map onto a layout from each other one with as many dimensions; a dot: the same name."""
    layout = LAYOUTS[target]
    sources = [
        other.name for other in LAYOUTS.values() if other.dims == layout.dims and other != layout
    ]
    maps = [find_map(source, target) for source in sources]
    rows = [
        [name, *('·' if list(known[name]) == [name] else tell(known[name]) for known in maps)]
        for name in layout.names
    ]
    rows = [row for row in rows if set(row[1:]) != {'·'}]
    return table([f'`{target}` from', *(f'`{source}`' for source in sources)], rows)


def list_missing() -> str:
    """For all other pairs the joints that are missing."""
    rows: List[List[str]] = []
    for source in LAYOUTS.values():
        for target in LAYOUTS.values():
            if source != target and source.dims == target.dims:
                known = find_map(source, target)
                missing = [name for name, parts in known.items() if not parts]
                if missing:
                    rows.append([f'`{source.name}`', f'`{target.name}`', ', '.join(missing)])
    return table(['from', 'to', 'missing'], rows)


def write_tables() -> str:
    """Everything between the two marks of the page."""
    joints = '\n\n'.join(
        f'**`{layout.name}`**: {list_joints(layout)}' for layout in LAYOUTS.values()
    )
    parts = [
        '## Joints',
        'A number after a joint is the other end of its bone.',
        list_layouts(),
        joints,
        '## Maps',
        'A dot: the joint of the same name is copied; `a + b`: the mean. In the maps onto `coco` '
        'every joint is copied by its name.',
        list_maps('nturgb+d'),
        'What is missing in other maps, and so exactly zero or scored 0; pairs that are not here '
        'miss nothing:',
        list_missing(),
    ]
    return '\n\n'.join(parts)


def replace_tables(page: str) -> str:
    """The page with new tables between its marks."""
    before, rest = page.split(BEGIN)
    return f'{before}{BEGIN}\n\n{write_tables()}\n\n{END}{rest.split(END)[1]}'


if __name__ == '__main__':
    PAGE.write_text(replace_tables(PAGE.read_text(encoding='utf-8')), encoding='utf-8')
