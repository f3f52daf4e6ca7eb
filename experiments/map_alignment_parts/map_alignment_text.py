"""The words of the page of the alignment experiment; what is in braces was measured."""

PAGE = """\
# Map alignment: better than the labels it was taught?

A network reads an image and the polygons of a map that lie beside their buildings. It is taught \
to undo displacements that are added on top, so its labels are the wrong places of the map. Errors \
of labels that are independent of each other and centred average out, and the network moves \
polygons towards the buildings. The map is realigned with it, and it is taught again: three rounds.

{scenes} generated scenes of {side} × {side} px with {given} vertices of buildings: roofs with \
shading, tiles and shadows, trees over walls, roads, yards that look like roofs. In the main arm \
every polygon is shifted by a Gaussian of 8 px on each axis. Steps in each round: {steps}, 16 \
patches of 96² px at 1/4, 1/2 or full resolution, one network of 95,078 parameters for all. The \
error of a vertex is its distance from the truth. *Unseen*: {held_out} scenes with the same noise \
that no training saw.

## Main arm

![Share of vertices within τ pixels of the truth]({curves})

{main}

{aim}

The same, on an unseen scene: broken, the map as given; blue, aligned; paler where it is less sure.

![A scene with its map before and after]({scene})

## Arms

Median error in pixels, on the scenes of training; median over seeds, range in brackets where \
there are several.

{arms}

- *one round*: the map after the first round. *realigned alone*: the first network applied three \
times, never taught again. *unseen*: the last network on the unseen scenes.
- *clean labels*: taught by the true map for as many steps as three rounds, applied to the noisy \
one: what this network can do.
- *shared*: no shifts of single polygons, a smooth field of 8 px with a length of 150 px: \
neighbours err alike. *biased*: 8 px, and every polygon 6 px to the right. *not mirrored*: \
patches of training as they lie; else they are mirrored and turned at random, which gives a shift \
that all labels share every direction. *missing, invented*: a fifth of the polygons gone, a fifth \
more of copies anywhere. *displacement alone*: without the loss of the segmentation.

{said}

## How far of the way

Labels scatter by σ, the known displacements of training by d on each axis. The least squared \
error goes d²/(d² + σ²) of the way r to the building: predicted from the labels' noise alone. \
Measured: the slope of the first round's answers over r on unseen scenes, one pass at each scale, \
with the correlation of answers and ways.

{way}

{explained}

## Confidence

1 / (1 + spread of four mirrored views + length of the last pass). Rank correlation with the error \
of a polygon, unseen scenes, and the median error of the less sure and the surer half:

{confidence}

## Real regions

{regions}

## Time and memory

On {device}, beside {processor} with {threads} thread(s) a cell; several cells side by side slow \
each other down. *Wall* and *processor*: seconds of a cell, median and the longest; a cell that \
was stopped and went on counts from its last start. *Resident*: the most memory of the process, \
PyTorch included; *GPU*: the most that tensors took there, without what CUDA itself needs.{others}

{costs}

## Not measured here

{open}

## Repeat it

```console
$ python experiments/map_alignment.py --full
```

`--data DIR` adds the real regions, `--device cuda --workers 16` runs cells side by side on a GPU. \
Without `--full`: the main arm with one seed, into `runs/`, in 9 minutes on two cores of an AMD \
EPYC. All of the above: {minutes} minutes of processor time for {cells} cells, {processor}. \
PyTorch {torch}, Python {python}. All numbers: \
`experiments/results/map_alignment.json`.
"""
OPEN = """\
The images of Bradbury et al.: there is a reader for them, tested on a folder made for the test, \
and no number. Where the buildings of the real regions truly are: nobody has measured them."""
