"""The steps and cells of each table."""

from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import paper
from steps import TITLES, Step, Study

from deeprank_plugin.models.data_preprocessor import MODALITIES

COLUMNS = (*MODALITIES, 'fused')


class Cell(NamedTuple):
    """One result: the step that it comes from, its stream, and the paper's result.

    With ``others`` it is the mean over that step and these, seed by seed.
    """

    step: Step
    stream: str
    paper: Optional[float]
    others: Tuple[Step, ...] = ()


class Table(NamedTuple):
    """Title, names of the columns, and rows of a name and cells."""

    title: str
    columns: Sequence[str]
    rows: List[Tuple[str, List[Optional[Cell]]]]


def stream_row(name: str, step: Step, numbers: Optional[Sequence] = None) -> Tuple[str, List]:
    """A row of three streams and their fusion."""
    numbers = numbers or (None,) * 4
    return name, [Cell(step, stream, number) for stream, number in zip(COLUMNS, numbers)]


def ablation(study: Study, data: str, table: Dict, make, title: str, share=None) -> Table:
    """Tables I, II, III and VI: each row is a pretraining with ST-GCN."""
    share = '10p' if study.preset.name == 'small' else share
    rows = []
    for key, numbers in table.items():
        name, pretrained = make(key)
        rows.append(stream_row(name, study.protocol('stgcn', data, pretrained, share), numbers))
    return Table(f'{title} ({data}, {share or "all labels"})', COLUMNS, rows)


def table1(study: Study, data: str) -> Table:
    def make(key):
        options = [] if key == 'l2' else [f'model.normalize={"None" if key == "none" else key}']
        return key, study.pretrain('3s', 'stgcn', data, options)

    return ablation(study, data, paper.TABLE1, make, 'Table I: normalisation')


def table2(study: Study, data: str) -> Table:
    def make(key):
        options = {
            'FC': [],
            'MLP': ['model.head.classifier=MLP', 'model.head.num_triplets=16384'],
            'ViT': ['model.head.classifier=ViT', 'model.head.num_triplets=2048'],
        }
        return key, study.pretrain('3s', 'stgcn', data, options[key])

    return ablation(study, data, paper.TABLE2, make, 'Table II: classifiers')


def table3(study: Study, data: str) -> Table:
    def make(views):
        if views == ('self',):
            return 'self', study.pretrain('3s', 'stgcn', data)
        options = [f'model.views=[{",".join(views)}]'] if len(views) < 3 else []
        return ', '.join(views), study.pretrain('mv', 'stgcn', data, options)

    return ablation(study, data, paper.TABLE3, make, 'Table III: views', '1p')


def table6(study: Study, data: str) -> Table:
    def make(number):
        if number == 'DeepRank':
            return number, study.pretrain('3s', 'stgcn', data)
        options = [f'model.head.num_clusters={number}']
        return f'DeepCluster, n = {number}', study.pretrain('dc', 'stgcn', data, options)

    table = {number: paper.TABLE6.get(number) for number in study.preset.clusters}
    table['DeepRank'] = paper.TABLE1['l2']
    return ablation(study, data, table, make, 'Table VI: number of clusters')


def compare_methods(
    study: Study, splits: Sequence[str], table: Dict, title: str, share=None
) -> Table:
    """Tables IV, V and VII: methods and networks, joint and fused, on two splits."""
    share = '10p' if study.preset.name == 'small' else share
    rows = []
    for (method, network), numbers in table.items():
        cells = []
        streams = ('joint',) if method == 'mae' else MODALITIES
        for split, (joint, fused) in zip(splits, numbers):
            step = study.protocol(
                network, split, study.pretrain(method, network, split), share, streams
            )
            cells.append(Cell(step, 'joint', joint))
            cells.append(Cell(step, 'fused', fused) if len(streams) > 1 else None)
        rows.append((f'{TITLES[method]}, {network}', cells))
    columns = [f'{split} {kind}' for split in splits for kind in ('joint', 'fused')]
    return Table(f'{title} ({share or "all labels"})', columns, rows)


def splits_of(data: str, first: str, second: str) -> List[str]:
    """The two splits of a data set; small ones have one."""
    return [f'{data}_{first}', f'{data}_{second}'] if data.startswith(('ntu', 'pku')) else [data]


def table4(study: Study, data: str) -> Table:
    splits = splits_of(data.split('_')[0], 'xsub', 'xview') if data.startswith('ntu') else [data]
    return compare_methods(study, splits, paper.TABLE4, 'Table IV: finetuning')


def table5(study: Study, data: str) -> Table:
    splits = splits_of(data.split('_')[0], 'xsub', 'xset') if data.startswith('ntu') else [data]
    return compare_methods(study, splits, paper.TABLE5, 'Table V: finetuning')


def table7(study: Study, data: str) -> Table:
    splits = splits_of(data.split('_')[0], 'xsub', 'xview') if data.startswith('ntu') else [data]
    return compare_methods(study, splits, paper.TABLE7, 'Table VII: semi-supervised', '10p')


def table8(study: Study, data: str) -> Table:
    small = study.preset.name == 'small'
    rows, seen = [], set()
    for (method, source, network), number in paper.TABLE8.items():
        if small:
            if data != 'uiprmd_xsub':
                raise ValueError(
                    f'table8 transfers to a second data set, which {data} does not have; expected '
                    '--data uiprmd (to HDM05)'
                )
            source, number = source and 'uiprmd', None
            if (method, source, network) in seen:
                continue
            seen.add((method, source, network))
        pretrained = source and study.pretrain(method, network, f'{source}_xsub')
        target, share = ('hdm05_xsub', '10p') if small else ('pkummd2_xsub', None)
        step = study.protocol(network, target, pretrained, share, ('joint',))
        name = f'{TITLES[method]}, {network}' + (f', from {source}' if source else '')
        rows.append((name, [Cell(step, 'joint', number)]))
    return Table('Table VIII: transfer', ['joint'], rows)


def table9(study: Study, data: str) -> Table:
    small = data == 'digits'
    network, schedule = ('resnet18-w8', '5x20e') if small else ('resnet18', '150e')
    labelled, epochs = ('-100_1xb16', '60e') if small else ('_1xb64', '100e')
    folder = 'projects/cifar100/configs'
    needs = ()
    if small:
        path = 'data/digits-python'
        command = ('python', 'projects/cifar100/make_digits.py', path)
        needs = (Step(path, command, (), '', 0, 0.0, data),)

    def row(name, method, options, number):
        pretrained = None
        if method:
            config = f'{folder}/{method}_{network}_1xb64-{schedule}_{data}.py'
            pretrained = {'joint': study.train(config, options, data, 1)._replace(needs=needs)}
        config = f'{folder}/finetune_{network}{labelled}-{epochs}_{data}.py'
        step = study.protocol(network, data, pretrained, None, ('joint',), config)
        if pretrained is None:
            step = step._replace(needs=needs)
        return name, [Cell(step, 'joint', None if small else number)]

    rows = [row('from scratch', None, [], None)]
    clusters = [key for key in paper.TABLE9 if isinstance(key, int)]
    for number in study.preset.clusters if small else clusters:
        options = [f'model.head.num_clusters={number}']
        name = f'DeepCluster, n = {number}'
        rows.append(row(name, 'deepcluster', options, paper.TABLE9.get(number)))
    first, *others = [cells[0].step for _, cells in rows[1:]]
    average = None if small else paper.TABLE9['average']
    rows.append(('DeepCluster, average', [Cell(first, 'joint', average, tuple(others))]))
    rows.append(row('DeepRank', 'deeprank', [], paper.TABLE9['DeepRank']))
    return Table(f'Table IX: images ({data}, ResNet-18)', ['top-1'], rows)


def peers(study: Study, data: str) -> Table:
    """Not in the paper: all methods side by side, 10 % of the labels."""
    rows = []
    for network in ('stgcn', 'sttformer'):
        for method in TITLES:
            pretrained = None if method == 'scratch' else study.pretrain(method, network, data)
            step = study.protocol(network, data, pretrained, '10p')
            rows.append(stream_row(f'{TITLES[method]}, {network}', step))
    return Table(f'Peers ({data}, 10p)', COLUMNS, rows)


TABLES = {f'table{number}': globals()[f'table{number}'] for number in range(1, 10)}
TABLES['peers'] = peers
