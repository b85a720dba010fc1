# Toy actions: CLASS_NAMES of deeprank_plugin/datasets/toy_actions.py.
label_names = [
    'wave',
    'clap',
    'punch',
    'kick',
    'squat',
    'jump',
    'walk in place',
    'turn around',
    'pick up',
    'throw',
    'handshake',
    'push',
]
