"""The list that describes the files of a folder.

It is a CSV file with a header line. Column ``file`` names a file in the folder, ``label`` its
class, as an integer from 0 or as a name; ``subject`` and a column of splits are optional. In a list
of recordings ``label`` is optional, and ``start`` and ``end`` name a part of the file.
"""

import csv
from pathlib import Path, PurePosixPath
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.converters.text import NUMBER, WHOLE, read_lines, shorten

UNKNOWN = 'unknown'
"""Label of the lines of a list without labels."""


class Row(NamedTuple):
    """A line of the list: its line number and the values of its columns.

    ``part`` counts the lines from 1 that name a part of the same file; 0 is the whole file.
    """

    line: int
    file: str
    label: str
    subject: Optional[str]
    split: Optional[str]
    start: Optional[float] = None
    end: Optional[float] = None
    part: int = 0

    @property
    def name(self) -> str:
        """The sample's name."""
        stem = str(PurePosixPath(self.file).with_suffix(''))
        return f'{stem}_{self.part:03d}' if self.part else stem


def read_list(
    path: Union[str, Path],
    split_column: Optional[str] = None,
    need_subject: bool = False,
    parts: bool = False,
) -> Tuple[List[Row], List[str]]:
    """Read the lines of a list of sequences.

    Args:
        path (str): The CSV file, UTF-8, separated by commas, with a header line.
        split_column (str, optional): Column with the split. Defaults to None: not read.
        need_subject (bool): Whether every line needs a ``subject``. Defaults to False.
        parts (bool): Whether this is a list of recordings: lines may name a part of a file by
            ``start`` and ``end``, and labels may be absent. Defaults to False.

    Returns:
        tuple: The lines, and the names of the ignored columns.

    Raises:
        BrokenFile: If the list is not such a file, a field is missing, or a sample occurs twice.
    """
    needed = ['file', 'label', *(['subject'] if need_subject else [])]
    needed += [] if split_column is None else [split_column]
    header, records = read_records(path, needed[:1] + needed[2:] if parts else needed)
    if parts and ('start' in header) != ('end' in header):
        raise BrokenFile(f'{path}, line 1 has one of start and end; expected both, or neither')
    needed = [column for column in needed if column in header]
    rows: List[Row] = []
    names: Dict[str, int] = {}
    counts: Dict[str, int] = {}
    for line, record in records:
        empty = [column for column in needed if not record[column]]
        if empty:
            raise BrokenFile(
                f'{path}, line {line} has no {empty[0]}; expected one in every line: fill it in, '
                'or remove the line'
            )
        place = PurePosixPath(record['file'])
        if place.is_absolute() or '..' in place.parts or not place.name:
            raise BrokenFile(
                f'{path}, line {line} names {shorten(record["file"])}; expected a file inside '
                "the folder, by its relative path without '..'"
            )
        split = None if split_column is None else record[split_column]
        label = record.get('label', UNKNOWN)
        row = Row(line, record['file'], label, record.get('subject') or None, split)
        if parts and (record.get('start') or record.get('end')):
            counts[row.name] = counts.get(row.name, 0) + 1
            start, end = read_interval(record, f'{path}, line {line}')
            row = row._replace(start=start, end=end, part=counts[row.name])
        if row.name in names:
            raise BrokenFile(
                f'{path}, lines {names[row.name]} and {line} both make sample {row.name!r}; '
                'expected one: remove a line, or rename a file'
            )
        names[row.name] = line
        rows.append(row)
    used = {'file', 'label', 'subject', split_column, *(['start', 'end'] if parts else [])}
    return rows, [column for column in header if column not in used]


def read_records(
    path: Union[str, Path], needed: Sequence[str]
) -> Tuple[List[str], List[Tuple[int, Dict[str, str]]]]:
    """The header of a list, and the number and the fields of each line below it.

    Raises:
        BrokenFile: If it is not a CSV file with a header that has the columns needed, has only a
            header, or a line has other fields.
    """
    expected = f'a CSV list with the columns {" and ".join(needed[:2])}'
    lines = read_lines(path, expected)
    try:
        records = [(i, fields) for i, fields in number_records(lines) if fields]
    except csv.Error as error:
        raise BrokenFile(f'{path} is not a CSV file ({error}); expected {expected}') from None
    header = [field.strip() for field in records[0][1]] if records else []
    missing = [column for column in needed if column not in header]
    if missing or len(set(header)) != len(header):
        fault = f'lacks the column {missing[0]!r}' if missing else 'names a column twice'
        raise BrokenFile(
            f'{path}, line 1 {fault}: {shorten(lines[0], 80)}; expected a header with '
            f'{list(needed)}, each once, separated by commas'
        )
    found = []
    for line, fields in records[1:]:
        if len(fields) != len(header):
            raise BrokenFile(
                f'{path}, line {line} has {len(fields)} fields; expected {len(header)}, as in '
                'the header: quote fields that contain commas'
            )
        found.append((line, {column: field.strip() for column, field in zip(header, fields)}))
    if not found:
        raise BrokenFile(f'{path} has only a header; expected one line per sequence')
    return header, found


def read_interval(record: Dict[str, str], where: str) -> Tuple[float, float]:
    """Start and end of a part of a recording.

    Raises:
        BrokenFile: If they are not numbers from 0, the end not before the start.
    """
    fields = [record['start'], record['end']]
    if all(map(NUMBER.fullmatch, fields)):
        start, end = map(float, fields)
        if 0 <= start <= end:
            return start, end
    raise BrokenFile(
        f'{where} has start {fields[0]!r} and end {fields[1]!r}; expected numbers from 0, the end '
        'after the start, or neither for the whole recording'
    )


def number_records(lines: Sequence[str]) -> List[Tuple[int, List[str]]]:
    """Records of a CSV file, each with the number of its last line."""
    reader = csv.reader(line + '\n' for line in lines)
    return [(reader.line_num, fields) for fields in reader]


def number_labels(
    rows: Sequence[Row], path: Union[str, Path], classes: Optional[Sequence[str]] = None
) -> Tuple[List[int], Optional[List]]:
    """Assign a class from 0 to each line.

    Integers are kept. Names are numbered as in ``classes``; without it they are sorted, and the
    first becomes class 0.

    Args:
        rows (Sequence[Row]): The lines.
        path (str): The list, for messages.
        classes (Sequence[str], optional): All names, by class. Defaults to None: those of the list.

    Returns:
        tuple: A class for each line, and the names by class (None if the labels are numbers and
        ``classes`` is None).

    Raises:
        BrokenFile: If numbers and names are mixed, a number is negative or not an integer, or a
            label is not among ``classes``.
    """
    numbers = [row for row in rows if NUMBER.fullmatch(row.label.lstrip('-'))]
    if not numbers:
        names = sorted({row.label for row in rows}) if classes is None else list(classes)
        number_of = {name: label for label, name in enumerate(names)}
        for row in rows:
            if row.label not in number_of:
                raise BrokenFile(
                    f'{path}, line {row.line} has label {row.label!r}, which is not among the '
                    f'{len(names)} given classes ({shorten(", ".join(names), 120)}); expected one '
                    'of them: correct it, or convert without --classes'
                )
        return [number_of[row.label] for row in rows], names
    if len(numbers) < len(rows):
        lines = {row.line for row in numbers}
        name = next(row for row in rows if row.line not in lines)
        raise BrokenFile(
            f'{path} has both numbers ({numbers[0].label} in line {numbers[0].line}) and names '
            f'({name.label!r} in line {name.line}) as labels; expected one kind'
        )
    for row in rows:
        if not WHOLE.fullmatch(row.label) or int(row.label) < 0:
            raise BrokenFile(
                f'{path}, line {row.line} has label {row.label}; expected an integer from 0, '
                'or a name'
            )
        if classes is not None and int(row.label) >= len(classes):
            raise BrokenFile(
                f'{path}, line {row.line} has label {row.label}; expected at most '
                f'{len(classes) - 1}, for the {len(classes)} given classes'
            )
    return [int(row.label) for row in rows], None if classes is None else list(classes)


def suspect_labels(labels: Sequence[int]) -> Optional[str]:
    """A warning if classes below the largest have no sample, else None."""
    absent = sorted(set(range(max(labels) + 1)) - set(labels))
    if not absent:
        return None
    shown = ', '.join(map(str, absent[:5])) + (', ...' if absent[5:] else '')
    hint = ' (labels count from 0 here, not from 1)' if absent[0] == 0 else ''
    return f'{len(absent)} classes below {max(labels)} have no sample: {shown}{hint}'


def split_rows(
    rows: Sequence[Row], path: Union[str, Path], train_subjects: Optional[Sequence[str]] = None
) -> Dict[str, List[Row]]:
    """Group the lines by split.

    Args:
        rows (Sequence[Row]): The lines.
        path (str): The list, for messages.
        train_subjects (Sequence[str], optional): Subjects of 'xsub_train'; the others make
            'xsub_val'. Defaults to None: by the ``split`` of each line.

    Raises:
        BrokenFile: If a subject is not in the list, or none remains for 'xsub_val'.
    """
    if train_subjects is None:
        splits: Dict[str, List[Row]] = {}
        for row in rows:
            splits.setdefault(str(row.split), []).append(row)
        return splits
    known = {str(row.subject) for row in rows}
    unknown = [subject for subject in train_subjects if subject not in known]
    if unknown:
        raise BrokenFile(
            f'train subject {unknown[0]!r} is not in {path}; expected some of {sorted(known)}, as '
            'written there'
        )
    if known == set(train_subjects):
        raise BrokenFile(
            f'all subjects of {path} are train subjects; expected at least one other for xsub_val'
        )
    chosen = set(train_subjects)
    return dict(
        xsub_train=[row for row in rows if row.subject in chosen],
        xsub_val=[row for row in rows if row.subject not in chosen],
    )
