# HDM05 in the 25-joint layout, by subject.
data = 'hdm05_xsub'
ann_file = 'data/hdm05_ntu25.pkl'
train_split, val_split = 'xsub_train', 'xsub_val'
num_classes = 11
class_names = 'hdm05'
layout = 'nturgb+d'
num_person = 1
clip_len = 48
small = True  # short schedules, 2 workers
batch_sizes = {'all': 16, '10p': 8, '5p': 8, '1p': 8}  # of finetuning, by share of labels
long_shares = ['10p', '5p', '1p']  # so few labels that they take the long schedule
