"""Options of the tools: paths with commas and blanks, and what configs are given."""

import argparse

import pytest

from deeprank_plugin.command_line import (
    OptionAction,
    add_common_arguments,
    parameters_of,
    repeat_data,
)


def parse(*arguments):
    parser = argparse.ArgumentParser()
    add_common_arguments(parser)
    return parser.parse_args(list(arguments))


def test_a_path_that_exists_is_taken_as_it_stands(tmp_path):
    path = tmp_path / 'a, (b) [c].pkl'
    path.touch()
    parser = argparse.ArgumentParser()
    parser.add_argument('--options', nargs='+', action=OptionAction)
    values = [f'file={path}', 'list=[1,2.5,a]', 'pair=(1,b)', 'flag=True', 'other=x,y']
    assert parser.parse_args(['--options', *values]).options == dict(
        file=str(path), list=[1, 2.5, 'a'], pair=(1, 'b'), flag=True, other=['x', 'y']
    )


def test_an_option_without_a_value(capsys):
    with pytest.raises(SystemExit) as ended:
        parse('--cfg-options', 'a=1', 'resume')
    assert ended.value.code == 2
    assert "--cfg-options 'resume': expected KEY=VALUE" in capsys.readouterr().err


def test_parameters_of_the_config():
    assert set(parameters_of(parse()).values()) == {None}
    given = parse('--data', 'toy_xsub', '--share', '5p', '--num-classes', '3', '--segments', '4')
    found = parameters_of(given)
    assert {name: value for name, value in found.items() if value is not None} == dict(
        data='toy_xsub', share='5p', num_classes=3, segments=4
    )
    assert {'layout', 'modality', 'pretrained'} <= set(found)
    assert parameters_of(parse('--views', 'strong'))['views'] == 'strong'


def test_both_spellings_of_the_local_rank_and_no_other_launcher(capsys):
    assert parse('--local_rank', '1').local_rank == parse('--local-rank=1').local_rank == 1
    with pytest.raises(SystemExit):
        parse('--launcher', 'ssh')
    assert "'ssh'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ('arguments', 'data', 'rest'),
    [
        (['a.py', '--data', 'toy_xsub'], 'toy_xsub', ['a.py']),
        (['--data', 'toy_xsub', 'a.py'], 'toy_xsub', ['a.py']),
        (['--data', 'a.pkl', 'b.npz', 'a.py', '--amp'], ['a.pkl', 'b.npz'], ['a.py', '--amp']),
        (['a.py', '--data', 'a.pkl', '--data', 'b.pkl'], ['a.pkl', 'b.pkl'], ['a.py']),
        (['a.pkl', 'b.pkl'], None, ['a.pkl', 'b.pkl']),
    ],
)
def test_several_files_wherever_the_config_follows(arguments, data, rest):
    parser = argparse.ArgumentParser()
    add_common_arguments(parser)
    found, others = parser.parse_known_args(repeat_data(arguments))
    assert found.data == data and others == rest
