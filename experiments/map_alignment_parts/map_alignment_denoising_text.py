"""The words of the chapter on the tangent kernel; what is in braces was measured."""

CHAPTER = """\
## What the tangent kernel says

f(x) is the displacement averaged over a polygon, in pixels of the window; x is a window around \
one polygon of the training scenes, moved by a known displacement; at 1/4 of the resolution where \
nothing else is said. The truth of the generated scenes is used to measure, never to predict.
{parts}"""

GAIN = """
### How much of the noise stays

Twins: two trainings on the same scenes, with the same initial weights and batches, and two draws \
of the labels' noise. Both answer the same windows, polygons at the same places: the smoother of \
the theory has fixed inputs. *Measured* gain: ‖f¹ − f²‖ / ‖ε¹ − ε²‖. *Predicted*: from the first \
network and its noisy labels alone, by `ks.denoise`: the filter of gradient descent that leaves \
the network's own residual; ridge regression of least leave-one-out error; and the factor ‖w‖ of \
the averaged noise E_k[ε]. Windows count in the average as in the loss, by their owned pixels. \
{windows} windows, one for each polygon, at each resolution.

The error of a label is a part of where its polygon is seen, u = ε − m with the known displacement \
m. So a part of the noise is told by the input, E[ε | u] = u σ²/(σ² + d²), d the deviation of m: \
the network learns it as a shorter way, and no average takes it off. *Free* is the deviation of \
the rest, ε − E[ε | u], and *of the free* the noise left over that. *Left*: noise in an answer on \
each axis, measured from twins and predicted (σ̂ times the filter's gain). *Error*: of the answers \
as a whole.

{table}
![Predicted against measured]({figure})

{said}

What is not the same for twins: training shows a polygon around its own noisy place, so that a \
window lies in the middle of what one twin saw and beside that of the other; the more so the finer \
the resolution, where σ is larger than the known displacements. The mean over the windows of both \
is given. Twins may also differ in what is no noise at all: other places shown send the weights \
another way, and that does not shrink with σ. {again}

Window by window: the deviation of E_k[ε] from two draws of the true noise against the factor \
that is predicted for the window (last panel), and that of the answers against the predicted \
gain. *Best possible*: the rank correlation that exactly these factors would show with two draws \
of independent Gaussian noise. *Ratio*: root mean squares, measured over predicted, ± the \
deviation of such draws. *Tied*: the slope of ε over u that was found; *free*: the ratio without \
that part of ε.

{patches}"""

FACTOR = """
### Factor and shift

*Factor*: deviation of the averaged noise as a share of the labels' own. *Shift*: the rest of the \
answer, ‖ŷ − E_k ŷ‖. *Gain* and *σ̂*: as above, windows unweighted. *σ* and the *error* of the \
answers, on each axis: measured with the truth. *Density*: soft count of windows alike. Medians.

{table}
{fails} The training was Adam's, with a loss of classes beside the squared error, on windows drawn \
anew in each step: the conditions of the theory do not hold, so the prediction is a trial.
"""

ROUNDS = """
### After each round

How many windows the network takes for alike, Σ_j k_C, as a share of all; the windows are those of \
the map as it was given, so that only the network differs. *Turned*: the similarity that stays \
when the answers are rotated, ½ max_R Tr(K_C R). *Factor*: ‖w_i‖ of the scalar average \
w_ij = k_ij / Σ_j k_ij; 1/√N at the least. Medians; *mean k*: over all pairs of two windows.

{table}
![Density after each round]({figure})

{said}
"""

NEIGHBOURS = """
### Which windows are alike

Averaging labels is right as far as neighbours have the same true displacement: that is what the \
label says. So each similarity is judged by the correlation of a window's true displacement with \
the mean one of its {k} neighbours. Beside it the same for the logarithm of the polygon's area, \
and the share of neighbours in the same scene: what else a similarity goes by. {windows} windows.

{table}
{said}

![Windows and their neighbours]({figure})

Red: the polygon as the network sees it; white: from it to its building, twice as long; pale: the \
map around. Windows asked about: of those with the longer displacements the ones at the lower \
quartile, the median and the upper quartile of agreement with their tangent neighbours.
"""

CONSISTENCY = """
### Errors that neighbours share

Averaging fails where the labels of neighbours err alike. Do residuals ỹ − ŷ warn? Moran's I of \
the residuals over the ten windows most similar to the kernel, and over polygons within 150 px of \
the same scene, with z against values dealt out at random. *Scaled*: ỹ − β ŷ, β of least squares, \
as a network that goes too short a part of the way leaves the rest in its residuals. *Moves*: what \
the network answers to the map as it is. *Noise*: of the true noise, which only the truth knows.

{table}
{said}

An error that all labels have in common is out of reach: I takes the mean off. The network learns \
it where patches lie as the image does; mirrored and turned ones give it every direction, and it \
averages out like the rest. Means on both axes, with the standard error that independent windows \
would have, pixels of the window:

{means}"""

SURENESS = """
### Which polygons end up wrong

Unseen scenes. *One pass*: the first network on the map as it is given; *aligned*: the last one \
after all passes, at full resolution. Scores of the kernel against the windows that the network \
learnt from: 1 / Σ_j ‖K(x_j,x) K(x,x)⁺‖ (uncertainty), Σ_j k_C (density), √Tr K(x,x) (gradient \
norm). Beside them the deviation of four mirrored views, the length of the move, and their sum, \
of which the confidence of `align` is made. Rank correlation with the error of a polygon; a score \
of doubt should be above 0, density below 0. By chance ± {chance}.

{table}
{said}
"""
