# NTU RGB+D 120, X-Sub.
data = 'ntu120_xsub'
ann_file = 'data/ntu120_3d.pkl'
train_split, val_split = 'xsub_train', 'xsub_val'
num_classes = 120
class_names = 'ntu120'
layout = 'nturgb+d'
num_person = 2
clip_len = 120
small = False  # the schedules of the paper, 4 workers
batch_sizes = {'all': 64, '10p': 64, '5p': 64, '1p': 64}  # of finetuning, by share of labels
long_shares = []  # so few labels that they take the long schedule
