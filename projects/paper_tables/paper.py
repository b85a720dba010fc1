"""The paper's own results (top-1 in %), to print beside ours."""

# Tables I, II, III and VI: joint, bone, motion, ensemble on NTU-60 X-Sub
TABLE1 = {
    'none': (88.6, 89.4, 88.0, 91.8),
    'minmax': (89.4, 89.5, 88.0, 91.7),
    'l1': (89.1, 89.2, 87.7, 92.0),
    'l2': (89.5, 89.0, 88.5, 92.3),
}
TABLE2 = {
    'MLP': (88.2, 89.2, 88.1, 92.0),
    'ViT': (88.8, 88.5, 87.7, 92.0),
    'FC': (89.5, 89.0, 88.5, 92.3),
}
TABLE3 = {
    ('self',): (38.8, 32.0, 42.8, 52.4),
    ('other',): (40.0, 35.3, 38.7, 50.8),
    ('all',): (40.7, 35.3, 40.5, 52.0),
    ('self', 'other'): (42.3, 39.1, 43.9, 54.3),
    ('self', 'all'): (43.0, 36.7, 43.6, 53.6),
    ('self', 'other', 'all'): (47.7, 40.0, 47.2, 55.6),
}
TABLE6 = {
    8: (89.6, 88.7, 87.8, 91.5),
    16: (89.1, 88.9, 87.8, 90.7),
    32: (89.6, 88.6, 87.9, 92.1),
    64: (88.6, 88.4, 87.9, 92.0),
    128: (88.9, 89.0, 88.1, 90.8),
    256: (89.4, 89.0, 87.8, 92.1),
}
# Tables IV and V: (joint, ensemble) of the first and of the second split
TABLE4 = {
    ('dc', 'stgcn'): ((89.4, 92.1), (93.0, 95.5)),
    ('3s', 'stgcn'): ((89.5, 92.3), (93.8, 95.9)),
    ('mv', 'stgcn'): ((89.6, 92.3), (94.4, 96.2)),
    ('mae', 'sttformer'): ((86.6, None), (92.9, None)),
    ('dc', 'sttformer'): ((87.9, 91.8), (92.4, 95.6)),
    ('3s', 'sttformer'): ((89.9, 92.4), (94.9, 96.2)),
    ('mv', 'sttformer'): ((90.0, 92.4), (95.0, 96.4)),
}
TABLE5 = {
    ('dc', 'stgcn'): ((83.0, 87.3), (84.0, 89.4)),
    ('3s', 'stgcn'): ((83.8, 88.3), (85.0, 89.7)),
    ('mv', 'stgcn'): ((84.0, 88.2), (85.1, 90.0)),
    ('mae', 'sttformer'): ((76.8, None), (79.1, None)),
    ('dc', 'sttformer'): ((83.2, 88.1), (85.6, 90.1)),
    ('3s', 'sttformer'): ((85.1, 88.7), (86.3, 90.4)),
    ('mv', 'sttformer'): ((85.4, 88.8), (86.5, 90.2)),
}
# Table VII (10 % of the labels): the same
TABLE7 = {
    ('3s', 'stgcn'): ((None, 80.1), (None, 83.2)),
    ('mv', 'stgcn'): ((None, 80.7), (None, 84.5)),
    ('mae', 'sttformer'): ((73.0, None), (76.9, None)),
    ('3s', 'sttformer'): ((74.6, 79.4), (78.5, 83.5)),
    ('mv', 'sttformer'): ((74.9, 79.8), (78.9, 83.8)),
}
# Table IX: CIFAR-100
TABLE9 = {16: 65.4, 32: 65.3, 64: 64.3, 128: 64.8, 256: 64.8, 512: 64.6}
TABLE9.update({'average': 64.9, 'DeepRank': 66.0})
# Table VIII: joint, transfer to PKU-MMD II
TABLE8 = {
    ('scratch', None, 'stgcn'): 48.2,
    ('3s', 'ntu60', 'stgcn'): 54.7,
    ('3s', 'ntu120', 'stgcn'): 56.4,
    ('3s', 'pkummd1', 'stgcn'): 55.0,
    ('mv', 'ntu60', 'stgcn'): 56.0,
    ('mv', 'ntu120', 'stgcn'): 55.1,
    ('mv', 'pkummd1', 'stgcn'): 60.1,
    ('scratch', None, 'sttformer'): 55.5,
    ('3s', 'ntu60', 'sttformer'): 58.8,
    ('3s', 'ntu120', 'sttformer'): 58.9,
    ('3s', 'pkummd1', 'sttformer'): 58.5,
    ('mv', 'ntu60', 'sttformer'): 59.8,
    ('mv', 'ntu120', 'sttformer'): 59.1,
    ('mv', 'pkummd1', 'sttformer'): 60.3,
}
