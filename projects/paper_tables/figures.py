"""The steps of each figure: extract features of pretrained encoders, call tools/analysis."""

from typing import List, NamedTuple, Sequence

from steps import SAMPLES, Step, Study

from deeprank_plugin.models.data_preprocessor import MODALITIES

CLASSES = 10  # of Fig. 5: more colours are hard to tell apart


class Figure(NamedTuple):
    """Title, and the step that draws it."""

    title: str
    step: Step


def extraction_step(study: Study, pretrained: Step, trained: bool = True) -> Step:
    """A call of tools/analysis/extract_features.py, with a random encoder if not trained."""
    command = pretrained.command
    options = command[command.index('--cfg-options') :] if '--cfg-options' in command else ()
    name = pretrained.key.split('/')[1]
    key = f'features/{name if trained else "random_" + name}'
    file = str(study.folder(key) / 'features.npz')
    command = ['python', 'tools/analysis/extract_features.py', pretrained.config, file]
    command += pretrained.parameters
    if trained:
        command += ['--checkpoint', str(study.folder(pretrained.key))]
    command += ['--work-dir', str(study.folder(key)), *options]
    needs = (pretrained,) if trained else ()
    return Step(
        key,
        tuple(command),
        needs,
        pretrained.config,
        pretrained.runs,
        1.0,
        pretrained.data,
        pretrained.parameters,
    )


def file_of(study: Study, step: Step, stream: str = '') -> str:
    """The file of an extraction, or one stream of it."""
    path = str(study.folder(step.key) / 'features.npz')
    return f'{path}:{stream}' if stream else path


def analysis_step(
    study: Study, name: str, data: str, tool: str, options: Sequence[str], needs: List[Step]
) -> Step:
    """A call of a tool in tools/analysis, which trains nothing."""
    key = f'figures/{name}_{data}'
    command = ['python', f'tools/analysis/{tool}.py', *options]
    command += ['--out-dir', str(study.folder(key))]
    return Step(key, tuple(command), tuple(needs), needs[0].config, 0, 0.0, data)


def train_split(data: str) -> List[str]:
    """Option that keeps the training split."""
    return ['--split', data.rpartition('_')[2] + '_train']


def fig4(study: Study, data: str) -> Figure:
    features = extraction_step(study, study.pretrain('mv', 'stgcn', data))
    streams = [f'{name}={file_of(study, features, name)}' for name in MODALITIES]
    options = [*streams, *train_split(data)]
    step = analysis_step(study, 'fig4', data, 'label_agreement', options, [features])
    return Figure(f'Fig. 4: labels that differ from view self ({data})', step)


def fig5(study: Study, data: str) -> Figure:
    plain = extraction_step(study, study.pretrain('3s', 'stgcn', data, ['model.normalize=None']))
    l2 = extraction_step(study, study.pretrain('3s', 'stgcn', data))
    options = [
        f'without normalisation={file_of(study, plain, "joint")}',
        f'L2={file_of(study, l2, "joint")}',
        '--classes',
        *map(str, range(CLASSES)),
    ]
    step = analysis_step(study, 'fig5', data, 'tsne', options, [plain, l2])
    return Figure(f'Fig. 5: t-SNE of joint features, first {CLASSES} classes ({data})', step)


def fig6(study: Study, data: str) -> Figure:
    single, multi = study.pretrain('3s', 'stgcn', data), study.pretrain('mv', 'stgcn', data)
    untrained, deeprank = (
        extraction_step(study, single, trained=False),
        extraction_step(study, single),
    )
    views = extraction_step(study, multi)
    options = [f'random, bone={file_of(study, untrained, "bone")}']
    for stream in MODALITIES:
        options.append(f'DeepRank, {stream}={file_of(study, deeprank, stream)}')
    options.append(f'MV-DeepRank, bone={file_of(study, views, "bone")}')
    needs = [untrained, deeprank, views]
    step = analysis_step(study, 'fig6', data, 'class_similarity', options, needs)
    return Figure(f'Fig. 6: mean cosine distances between classes ({data})', step)


def fig7(study: Study, data: str) -> Figure:
    clusters = study.pretrain('dc', 'stgcn', data, ['model.head.num_clusters=8'])['bone']
    before, after = (
        extraction_step(study, clusters),
        extraction_step(study, study.pretrain('3s', 'stgcn', data)),
    )
    options = [
        f'DeepCluster={file_of(study, before)}',
        f'DeepRank={file_of(study, after, "bone")}',
        '--cluster-of',
        str(study.folder(clusters.key)),
        '--perplexity',
        '10' if SAMPLES[data] < 10000 else '30',
    ]
    step = analysis_step(study, 'fig7', data, 'tsne', options, [before, after])
    return Figure(f'Fig. 7: two classes in one cluster of DeepCluster ({data})', step)


def fig8(study: Study, data: str) -> Figure:
    number = max(study.preset.clusters)
    clusters = study.pretrain('dc', 'stgcn', data, [f'model.head.num_clusters={number}'])['joint']
    single = study.pretrain('3s', 'stgcn', data)
    untrained, deeprank = (
        extraction_step(study, single, trained=False),
        extraction_step(study, single),
    )
    options = [
        f'random={file_of(study, untrained, "joint")}',
        f'DeepRank={file_of(study, deeprank, "joint")}',
        '--clusters',
        f'DeepCluster, n = {number}={study.folder(clusters.key)}',
        *train_split(data),
    ]
    needs = [untrained, deeprank, clusters]
    step = analysis_step(study, 'fig8', data, 'triplet_precision', options, needs)
    return Figure(f'Fig. 8: pseudo-labels that agree with the classes ({data})', step)


FIGURES = {function.__name__: function for function in (fig4, fig5, fig6, fig7, fig8)}
