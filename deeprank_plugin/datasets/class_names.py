"""Class names of the data sets, in the order of the labels; configs refer to them by key.

NTU RGB+D and PKU-MMD as listed by their authors; HDM05 as in its file names.
"""

from typing import Any, Dict, List, Optional, Sequence, Tuple

from .toy.motions import CLASS_NAMES as TOY

NTU60 = (
    'drink water',
    'eat meal/snack',
    'brushing teeth',
    'brushing hair',
    'drop',
    'pickup',
    'throw',
    'sitting down',
    'standing up (from sitting position)',
    'clapping',
    'reading',
    'writing',
    'tear up paper',
    'wear jacket',
    'take off jacket',
    'wear a shoe',
    'take off a shoe',
    'wear on glasses',
    'take off glasses',
    'put on a hat/cap',
    'take off a hat/cap',
    'cheer up',
    'hand waving',
    'kicking something',
    'reach into pocket',
    'hopping (one foot jumping)',
    'jump up',
    'make a phone call/answer phone',
    'playing with phone/tablet',
    'typing on a keyboard',
    'pointing to something with finger',
    'taking a selfie',
    'check time (from watch)',
    'rub two hands together',
    'nod head/bow',
    'shake head',
    'wipe face',
    'salute',
    'put the palms together',
    'cross hands in front (say stop)',
    'sneeze/cough',
    'staggering',
    'falling',
    'touch head (headache)',
    'touch chest (stomachache/heart pain)',
    'touch back (backache)',
    'touch neck (neckache)',
    'nausea or vomiting condition',
    'use a fan (with hand or paper)/feeling warm',
    'punching/slapping other person',
    'kicking other person',
    'pushing other person',
    'pat on back of other person',
    'point finger at the other person',
    'hugging other person',
    'giving something to other person',
    "touch other person's pocket",
    'handshaking',
    'walking towards each other',
    'walking apart from each other',
)
NTU120 = (
    *NTU60,
    'put on headphone',
    'take off headphone',
    'shoot at the basket',
    'bounce ball',
    'tennis bat swing',
    'juggling table tennis balls',
    'hush (quiet)',
    'flick hair',
    'thumb up',
    'thumb down',
    'make ok sign',
    'make victory sign',
    'staple book',
    'counting money',
    'cutting nails',
    'cutting paper (using scissors)',
    'snapping fingers',
    'open bottle',
    'sniff (smell)',
    'squat down',
    'toss a coin',
    'fold paper',
    'ball up paper',
    'play magic cube',
    'apply cream on face',
    'apply cream on hand back',
    'put on bag',
    'take off bag',
    'put something into a bag',
    'take something out of a bag',
    'open a box',
    'move heavy objects',
    'shake fist',
    'throw up cap/hat',
    'hands up (both hands)',
    'cross arms',
    'arm circles',
    'arm swings',
    'running on the spot',
    'butt kicks (kick backward)',
    'cross toe touch',
    'side kick',
    'yawn',
    'stretch oneself',
    'blow nose',
    'hit other person with something',
    'wield knife towards other person',
    'knock over other person (hit with body)',
    "grab other person's stuff",
    'shoot at other person with a gun',
    'step on foot',
    'high-five',
    'cheers and drink',
    'carry something with other person',
    'take a photo of other person',
    'follow other person',
    "whisper in other person's ear",
    'exchange things with other person',
    'support somebody with hand',
    'finger-guessing game (playing rock-paper-scissors)',
)
PKUMMD1 = (
    'bow',
    'brushing hair',
    'brushing teeth',
    'check time (from watch)',
    'cheer up',
    'clapping',
    'cross hands in front (say stop)',
    'drink water',
    'drop',
    'eat meal/snack',
    'falling',
    'giving something to other person',
    'hand waving',
    'handshaking',
    'hopping (one foot jumping)',
    'hugging other person',
    'jump up',
    'kicking other person',
    'kicking something',
    'make a phone call/answer phone',
    'pat on back of other person',
    'pickup',
    'playing with phone/tablet',
    'point finger at the other person',
    'pointing to something with finger',
    'punching/slapping other person',
    'pushing other person',
    'put on a hat/cap',
    'put something inside pocket',
    'reading',
    'rub two hands together',
    'salute',
    'sitting down',
    'standing up',
    'take off a hat/cap',
    'take off glasses',
    'take off jacket',
    'take out something from pocket',
    'taking a selfie',
    'tear up paper',
    'throw',
    'touch back (backache)',
    'touch chest (stomachache/heart pain)',
    'touch head (headache)',
    'touch neck (neckache)',
    'typing on a keyboard',
    'use a fan (with hand or paper)/feeling warm',
    'wear jacket',
    'wear on glasses',
    'wipe face',
    'writing',
)
UIPRMD = (
    'deep squat',
    'hurdle step',
    'inline lunge',
    'side lunge',
    'sit to stand',
    'standing active straight leg raise',
    'standing shoulder abduction',
    'standing shoulder extension',
    'standing shoulder internal-external rotation',
    'standing shoulder scaption',
    'deep squat, done wrong',
    'hurdle step, done wrong',
    'inline lunge, done wrong',
    'side lunge, done wrong',
    'sit to stand, done wrong',
    'standing active straight leg raise, done wrong',
    'standing shoulder abduction, done wrong',
    'standing shoulder extension, done wrong',
    'standing shoulder internal-external rotation, done wrong',
    'standing shoulder scaption, done wrong',
)
HDM05 = (
    'depositFloorR',
    'elbowToKnee1RepsLelbowStart',
    'grabHighR',
    'hopBothLegs1hops',
    'jogLeftCircle4StepsRstart',
    'kickLFront1Reps',
    'lieDownFloor',
    'rotateArmsBothBackward1Reps',
    'sneak2StepsLStart',
    'squat1Reps',
    'throwBasketball',
)

CLASS_NAMES: Dict[str, Tuple[str, ...]] = dict(
    ntu60=NTU60, ntu120=NTU120, pkummd1=PKUMMD1, uiprmd=UIPRMD, hdm05=HDM05, toy=TOY
)


def check_label_names(content: Any, labels: Sequence[int], path: str) -> Optional[List[str]]:
    """The names of the classes that an annotation file holds as ``label_names``.

    None without that key, or if it is None or an empty list.

    Args:
        content (dict or list): What ``load_annotations`` returned.
        labels (Sequence[int]): Labels of the samples, from 0.
        path (str): For messages.

    Raises:
        ValueError: If they are no list of strings, or a label has no name.
    """
    names = content.get('label_names') if isinstance(content, dict) else None
    if names is None or (isinstance(names, (list, tuple)) and not names):
        return None
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f'label_names of annotation file {path} are {names!r:.80}; expected a list of strings, '
            'one per class'
        )
    highest = max(labels, default=-1)
    if highest >= len(names):
        raise ValueError(
            f'annotation file {path} has label {highest}, but its label_names give only '
            f'{len(names)} classes; expected a name for each label from 0: add the others, or '
            'correct the labels'
        )
    return list(names)
