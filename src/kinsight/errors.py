"""Every error and warning kinsight raises: what was expected, what came, what to do."""


class KinsightError(Exception):
    """Root of all errors of this package; catch it to catch any of them."""


class ArgumentError(KinsightError, ValueError):
    """An argument has a value that is not among those expected."""


class DataError(KinsightError, ValueError):
    """The data set cannot be read as samples: empty, unequal lengths, an order that changes."""


class OutputError(KinsightError, ValueError):
    """The output function does not give one row of real numbers per sample."""


class OutputSizeError(OutputError):
    """The output has so many entries that what was asked for does not fit the memory budget."""


class ParameterError(KinsightError, ValueError):
    """No parameter is left to differentiate, or a name matches nothing."""


class NetworkError(KinsightError, TypeError):
    """The network is of a kind that cannot be differentiated sample by sample."""


class TrainingModeError(NetworkError):
    """A layer that behaves differently in training (batch norm, dropout) is in training mode."""


class StochasticNetworkError(NetworkError):
    """Two forward passes over the same batch differ."""


class SampleInfluenceError(NetworkError):
    """The output of a sample changes with the other samples of its batch."""


class UnreachableParameterError(ParameterError):
    """The output does not depend on any of the chosen parameters."""


class ImportTargetError(KinsightError, ImportError):
    """MODULE:CALLABLE could not be imported, or what it returned is no network and data."""


class SubjectError(KinsightError, ValueError):
    """What belongs to the samples (labels, names, pictures) does not fit them."""


class PairError(KinsightError, ValueError):
    """A batch holds no pair to compare, or pairs that do not fit together."""


class RunFolderError(KinsightError, ValueError):
    """A folder is not what a run leaves: foreign, damaged, of another version or another run."""


class StoreError(KinsightError, ValueError):
    """A store is damaged, foreign, of another version, or was made from something else."""


class MissingExtraError(KinsightError, ImportError):
    """An optional package is not installed; the message names the line that installs it."""


class KinsightWarning(UserWarning):
    """Root of all warnings of this package."""


class NonFiniteGradientWarning(KinsightWarning):
    """Some samples have a NaN or infinite gradient; they are named and set apart."""


class ZeroGradientWarning(KinsightWarning):
    """Some pairs have a sample without gradient, whose similarity is undefined; left out."""


class SingularOutputWarning(KinsightWarning):
    """Some samples have K(x,x) of rank below D; the pseudo-inverse square root is used."""


class CancellationWarning(KinsightWarning):
    """A scalar's gradient cancels in the precision used; the result has few correct digits."""


class FallbackWarning(KinsightWarning):
    """A parameter is handled by a slower exact path because no rule covers its operator."""


class StoreWarning(KinsightWarning):
    """A store goes on with something else than it was begun with, which may change last digits."""


class MetricError(KinsightError, ValueError):
    """A metric on parameters would say nothing: too few samples, or an optimiser without state."""


class MetricWarning(KinsightWarning):
    """A metric on parameters is close to degenerate, or leaves parameters out."""
