# Toy actions, by subject: make them with tools/data/make_toy.py data/toy.pkl.
data = 'toy_xsub'
ann_file = 'data/toy.pkl'
train_split, val_split = 'xsub_train', 'xsub_val'
num_classes = 12
class_names = 'toy'
layout = 'nturgb+d'
num_person = 2
clip_len = 48
small = True  # short schedules, 2 workers
batch_sizes = {'all': 64, '10p': 16, '5p': 16, '1p': 8}  # of finetuning, by share of labels
long_shares = ['1p']  # so few labels that they take the long schedule
