"""Property tests: the same examples in each run; DEEPRANK_PROPERTIES=2000 tries as many of each."""

import os

from hypothesis import HealthCheck, settings

number = os.environ.get('DEEPRANK_PROPERTIES')
settings.register_profile(
    'deeprank',
    max_examples=int(number or 25),
    derandomize=number is None,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile('deeprank')
