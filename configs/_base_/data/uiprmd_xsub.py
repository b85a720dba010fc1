# UI-PRMD in the 25-joint layout, by subject.
data = 'uiprmd_xsub'
ann_file = 'data/uiprmd_ntu25.pkl'
train_split, val_split = 'xsub_train', 'xsub_val'
num_classes = 20
class_names = 'uiprmd'
layout = 'nturgb+d'
num_person = 1
clip_len = 48
small = True  # short schedules, 2 workers
batch_sizes = {'all': 64, '10p': 16, '5p': 16, '1p': 8}  # of finetuning, by share of labels
long_shares = ['1p']  # so few labels that they take the long schedule
