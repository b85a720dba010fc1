# MV-DeepRank with a small ST-GCN for trials on a CPU.
_base_ = './deeprank_stgcn-w16.py'
model = dict(
    type='MVDeepRank',
    data_preprocessor=dict(modality=['joint', 'bone', 'motion']),
    views=['self', 'other', 'all'],
)
