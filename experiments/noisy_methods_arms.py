"""What is compared on one problem with noisy labels: each method gives test accuracy.

Every arm trains the same network with the same initialisation, batches and number of steps T; what
it trains before that counts: the table says whether T or 2 T steps were spent in all.
N samples, C classes.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from noisy_methods_losses import (
    NoiseLayer,
    anchored,
    backward,
    counted,
    forward,
    issues,
    weighted,
)
from noisy_methods_training import CLASSES, Loss, Training, accuracy, class_scores
from torch import Tensor
from torch.nn import functional

import kinsight as ks

CLEAN_SHARE, IMITATION = 10, 0.5  # one in ten has a true label; half of a target is the teacher's


class Arm(NamedTuple):
    """A row of the table."""

    text: str
    knows: str  # beside the noisy labels
    budget: int  # training steps in all, in units of T


ARMS = {
    "plain": Arm("noisy labels as they are", "", 1),
    "plain_twice": Arm("noisy labels as they are, twice the steps", "", 2),
    "clean": Arm("true labels: upper bound", "every true label", 1),
    "kept_right": Arm("wrong labels left out, no others: upper bound", "which labels are wrong", 1),
    "forward_true": Arm("forward correction, true T", "T", 1),
    "backward_true": Arm("backward correction, true T", "T", 1),
    "forward_anchor": Arm("forward correction, T from anchor points", "", 2),
    "forward_counted": Arm("forward correction, T from cross-validated counts", "", 2),
    "noise_layer": Arm("noise layer, learnt along", "", 1),
    "known_part": Arm("noisy labels, the known true ones put in", "a tenth of the true labels", 1),
    "teacher": Arm("the known true ones alone (the teacher)", "a tenth of the true labels", 1),
    "distilled": Arm("distillation from that teacher", "a tenth of the true labels", 2),
    "cleanlab_drop": Arm("confident learning: issues left out", "", 2),
    "cleanlab_relabel": Arm("confident learning: issues relabelled", "", 2),
    "others_drop": Arm("leave-one-out: as many suspects left out", "", 2),
    "others_hard": Arm("leave-one-out: contradicted labels replaced", "", 2),
    "others_soft": Arm("leave-one-out: the answers as targets", "", 2),
}


@dataclass(frozen=True)
class Problem:
    """Training images with true and noisy labels, and what they are tested on."""

    training: Training
    true: Tensor  # (N,) labels
    noisy: Tensor  # (N,)
    matrix: Tensor  # (C, C) T
    test_images: Tensor
    test_labels: Tensor

    def tested(self, loss: Loss, **options) -> float:
        """Test accuracy of a network trained with this loss."""
        model = self.training.run(loss, **options)
        return accuracy(class_scores(model, self.test_images), self.test_labels)


def one_hot(labels: Tensor) -> Tensor:
    """(N, C) float64."""
    return functional.one_hot(labels, CLASSES).double()


def measured(problem: Problem) -> dict:
    """Test accuracy of every arm, and how right the labels are that some of them train on."""
    training, noisy, true = problem.training, problem.noisy, problem.true
    plain = training.run(weighted(one_hot(noisy)))
    first = class_scores(plain, training.images).softmax(1)
    layer = NoiseLayer()
    found = {
        "plain": accuracy(class_scores(plain, problem.test_images), problem.test_labels),
        "plain_twice": problem.tested(weighted(one_hot(noisy)), times=2),
        "clean": problem.tested(weighted(one_hot(true))),
        "kept_right": problem.tested(weighted(one_hot(noisy), noisy == true)),
        "forward_true": problem.tested(forward(noisy, problem.matrix)),
        "backward_true": problem.tested(backward(noisy, problem.matrix)),
        "forward_anchor": problem.tested(forward(noisy, anchored(first))),
        "noise_layer": problem.tested(layer.loss(noisy), beside=layer),
        **with_known_part(problem),
    }
    matrices = {"forward_anchor": anchored(first), "noise_layer": layer().detach().double()}
    rest, labels, counts = relabelled(problem)
    errors = {
        name: float((each - problem.matrix).abs().mean())
        for name, each in {**matrices, "forward_counted": counts}.items()
    }
    return {"accuracy": {**found, **rest}, "labels": labels, "matrix error": errors}


def with_known_part(problem: Problem) -> dict[str, float]:
    """Arms that know the true labels of the first tenth.

    Distillation (Li et al. 2017): targets ½ label + ½ the answer of a teacher that was trained on
    the known part alone; the known labels are true in the student's training, too.
    """
    training, count = problem.training, len(problem.true) // CLEAN_SHARE
    known = torch.cat([problem.true[:count], problem.noisy[count:]])
    small = Training(training.images[:count], training.steps, training.seed)
    teacher = small.run(weighted(one_hot(problem.true[:count])))
    said = class_scores(teacher, training.images).softmax(1)
    targets = (1 - IMITATION) * one_hot(known) + IMITATION * said
    return {
        "known_part": problem.tested(weighted(one_hot(known))),
        "teacher": accuracy(class_scores(teacher, problem.test_images), problem.test_labels),
        "distilled": problem.tested(weighted(targets)),
    }


def relabelled(problem: Problem) -> tuple[dict[str, float], dict[str, float], Tensor]:
    """Arms that first ask two networks, each trained on one half, about the other half.

    Returns test accuracies, the shares of right labels that they trained on, and T as counted.
    """
    noisy, true = problem.noisy, problem.true
    scores, answers, suspicion = cross_fitted(problem.training, noisy)
    probabilities = scores.softmax(1)
    wrong = issues(noisy, probabilities)
    suspects = suspicion.argsort(descending=True, stable=True)[: int(wrong.sum())]
    trusted = torch.ones(len(noisy), dtype=torch.bool).index_fill(0, suspects, False)
    proposed = answers.argmax(1)
    replaced = torch.where(wrong, probabilities.argmax(1), noisy)
    counts = counted(noisy, probabilities)
    soft = answers / answers.sum(1, keepdim=True)
    losses = {
        "forward_counted": forward(noisy, counts),
        "cleanlab_drop": weighted(one_hot(noisy), ~wrong),
        "cleanlab_relabel": weighted(one_hot(replaced)),
        "others_drop": weighted(one_hot(noisy), trusted),
        "others_hard": weighted(one_hot(proposed)),
        "others_soft": weighted(soft),
    }
    right = {
        "plain": noisy == true,
        "cleanlab_drop": (noisy == true)[~wrong],
        "cleanlab_relabel": replaced == true,
        "others_drop": (noisy == true)[trusted],
        "others_hard": proposed == true,
        "left out": wrong,
        "contradicted": proposed != noisy,
    }
    shares = {name: float(each.double().mean()) for name, each in right.items()}
    return {name: problem.tested(loss) for name, loss in losses.items()}, shares, counts


def cross_fitted(training: Training, noisy: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What is said of each sample by a network that saw only the other half, T/2 steps each.

    Returns its class scores (N, C); the answers of the recipe for wrong labels (N, C), that is
    leave-one-out in the tangent kernel among the samples of that half, mixed with the network's
    own; and the suspicion (N,).
    """
    order = torch.randperm(len(noisy), generator=torch.Generator().manual_seed(training.seed))
    halves = order.chunk(2)
    scores = torch.empty(len(noisy), CLASSES, dtype=torch.float64)
    answers, suspicion = torch.empty_like(scores), torch.empty(len(noisy), dtype=torch.float64)
    for seen, unseen in (halves, halves[::-1]):
        half = Training(training.images[seen], training.steps // 2, training.seed)
        model = half.run(weighted(one_hot(noisy[seen])))
        scores[unseen] = class_scores(model, training.images[unseen])
        found = suspects_of(model, training.images[unseen], noisy[unseen], scores[unseen])
        answers[unseen], suspicion[unseen] = found.answers, found.score
    return scores, answers, suspicion


def suspects_of(model, images: Tensor, labels: Tensor, scores: Tensor) -> ks.Suspects:
    """The recipe of docs/experiments/label_noise.md, as ``ks.suspects`` applies it."""
    kernel = ks.TangentKernel(model, output=ks.outputs.Probes(count=3), normalization="trace")
    return ks.suspects(kernel.on(images), labels, logits=scores, neighbours=0)
