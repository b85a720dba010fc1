# PKU-MMD part I, X-Sub.
data = 'pkummd1_xsub'
ann_file = 'data/pkummd1_3d.pkl'
train_split, val_split = 'xsub_train', 'xsub_val'
num_classes = 51
class_names = 'pkummd1'
layout = 'nturgb+d'
num_person = 2
clip_len = 120
small = False  # the schedules of the paper, 4 workers
batch_sizes = {'all': 64, '10p': 64, '5p': 64, '1p': 64}  # of finetuning, by share of labels
long_shares = []  # so few labels that they take the long schedule
