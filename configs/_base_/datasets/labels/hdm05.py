# HDM05: the motion classes that are in the annotation file, by their names there.
label_names = [
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
]
