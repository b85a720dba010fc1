# MV-DeepRank with the quarter-width ST-GCN.
_base_ = './deeprank_stgcn-slim.py'
model = dict(
    type='MVDeepRank',
    data_preprocessor=dict(modality=['joint', 'bone', 'motion']),
    views=['self', 'other', 'all'],
)
