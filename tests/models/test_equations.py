"""Each equation of the paper is found by its number, in one file."""

import re
from pathlib import Path

import pytest

import deeprank_plugin.models

FOLDER = Path(deeprank_plugin.models.__file__).parent
PLACES = {
    'losses/ranking_loss.py': (1, 2, 9),
    'utils/distances.py': (3,),
    'pretrainers/base.py': (4, 5, 6),
    'heads/rank_head.py': (7, 8),
    'data_preprocessor.py': (10, 12),
    'utils/views.py': (11, 13, 14, 15, 16, 17, 18),
    'pretrainers/mv_deeprank.py': (19, 20, 21),
}


@pytest.mark.parametrize('place', PLACES)
def test_equations_of(place):
    for number in PLACES[place]:
        found = {
            str(path.relative_to(FOLDER))
            for path in FOLDER.rglob('*.py')
            if re.search(rf'Eq\. {number}\b', path.read_text())
        }
        assert found == {place}, number


def test_all_are_placed():
    assert sorted(sum(PLACES.values(), ())) == list(range(1, 22))
