"""The zoo: small networks of every kind that the kernel is held to, by family."""

from architectures.parts_attention import ATTENTION
from architectures.parts_common import Entry
from architectures.parts_convolution import CONVOLUTION
from architectures.parts_embedding import EMBEDDING
from architectures.parts_linear import LINEAR
from architectures.parts_normalization import NORMALIZATION
from architectures.parts_other import OTHER
from architectures.parts_parameters import PARAMETERS
from architectures.parts_probability import PROBABILITY
from architectures.parts_recurrent import RECURRENT
from architectures.parts_routing import ROUTING
from architectures.parts_sharing import PARAMETRISATIONS, SHARED

ZOO: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        *LINEAR,
        *CONVOLUTION,
        *EMBEDDING,
        *NORMALIZATION,
        *ATTENTION,
        *RECURRENT,
        *PARAMETERS,
        *SHARED,
        *PARAMETRISATIONS,
        *ROUTING,
        *PROBABILITY,
        *OTHER,
    )
}
