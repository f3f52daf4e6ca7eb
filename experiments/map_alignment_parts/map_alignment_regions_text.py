"""The words of the chapter on real regions; what is in braces was measured."""

ABSENT = """\
Not measured so far: `--data DIR` with real tiles."""

CHAPTER = """\
Aerial tiles with OpenStreetMap polygons, and chips with masks of buildings. Nobody knows where \
these buildings really are: every error below is the distance from the map *as given*, which is \
itself off. Mosaics are cut into scenes of at most {side} px without a missing tile. One network \
for all regions; steps in each round: {steps}. Every fourth scene of a region is seen by no \
training.

{data}

Left out or repaired: {repairs} Chips with masks cut buildings off at their border, so that some \
walls there are none.

The map gets the same noise of 8 px on each axis for all cells. *Taught by the map*: a network \
taught by the map as given for as many steps as three rounds, applied to the noisy map: the \
reference. *Round 1 to 3*: taught by the noisy map. *Gap closed*: (noisy labels − round 3) / \
(noisy labels − taught by the map), medians of vertex errors in pixels; a dash where the \
reference is better than the labels by less than a tenth.

![Share of vertices within τ pixels of the map as given]({curves})

{shares}

Scenes of training. The reference has seen where the map is wrong here, and may have learnt that \
by heart:

{regions}

Other scenes of the same regions:

{held_out}

{aim}

### A region that training never saw

Taught by the noisy maps of all other regions, tested on all scenes of this one. The reference is \
the network above that was taught by the map of all regions, this one included; the column after \
it is taught by the map of the others only. The noisy map of this one was not used at all.

{left_out}

{aim_left_out}

### Longer, under other light

{longer}

### Noise levels on one region

Taught and tested on this region alone, by the shorter training. Where the noise is no larger than \
what the map itself is off (below), the distance from that map cannot fall, whatever the network \
does; with little noise more rounds add errors of their own.

{levels}

### How far is the map itself off?

{error}
"""

LONGER_PART = """\
{steps} steps in place of {plain}, and contrast, brightness and colours of patches changed at \
random (`Training(light={light})`). The reference was taught by the map for as many steps in the \
same way. Scenes of training:

{regions}

Other scenes of the same regions:

{held_out}

{aim} Farther off than {limit} px are {before} of the vertices in the noisy labels and {after} \
after round three, on the scenes of training: some polygons run away."""

LONGER_LEFT_OUT = """

A region that training never saw:

{left_out}

{aim_left_out}"""

ERROR = """\
Three networks are taught by the map as given, each by every third scene. Each scene is aligned \
by the two that never saw it. Where both move a building the same way, either the map is off or \
both are wrong alike. So, on each axis: σ²(map) ≈ variance of their mean move − variance of half \
their difference; the networks' own error is taken away in squares. *Seen*: deviation of the mean \
move; *networks*: of half the difference; from medians, as for plane Gaussians. *σ from squares* \
uses means of squares, which single polygons without a building can blow up. *Offset*: the \
median of the mean move, what the whole region is off.

{table}

Too much, where both networks make the same mistake: taught by one map with the same habit, such \
as ground outlines beside roofs that lean. Too little, where a network goes only part of the way. \
An error that a whole region shares is seen only as far as the other regions do not share it. The \
rows of generated scenes have a known σ: what the method says of it is how far it can be trusted. \
"""
