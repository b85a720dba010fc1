# MV-DeepRank with STTFormer.
_base_ = './deeprank_sttformer.py'
model = dict(
    type='MVDeepRank',
    data_preprocessor=dict(modality=['joint', 'bone', 'motion']),
    views=['self', 'other', 'all'],
)
