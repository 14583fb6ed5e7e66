"""What airr raises, and who has to act on it.

    AirrError            shown to the user as one calm message, never as a traceback
    ├── ConfigError      a setting is missing, unknown, ill-typed or cannot be met here
    ├── WorkspaceError   a campaign folder is foreign, damaged or of another config
    │   └── Occupied     another head holds it and is, or may be, alive
    ├── ProviderError    a model endpoint cannot be used at all (bad key, no such model)
    ├── ClusterError     the scheduler refused, or cannot be used at all
    └── BudgetSpent      a bound of the group `budget` is reached: a clean end, no mistake

A failed *idea* is none of these: it is a `Failed` outcome, which is data (see records.py).
"""


class AirrError(Exception):
    """Something the user can mend: the message says what is wrong, where, and what to do."""


class Damaged(UserWarning):
    """A file of a campaign holds what cannot be used: it is named, left there, and done without."""


class ConfigError(AirrError):
    """A setting is missing, unknown, ill-typed, or asks for what this machine does not have."""


class WorkspaceError(AirrError):
    """A campaign folder is in use, foreign, damaged, or was made with another config."""


class Occupied(WorkspaceError):
    """Another head holds the campaign and is, or may be, alive."""


class ProviderError(AirrError):
    """A model endpoint cannot be used at all: retrying would not help."""


class BudgetSpent(AirrError):
    """A bound that the user set leaves no room for what would come next."""


class ClusterError(AirrError):
    """The scheduler refused a request, or cannot be used at all."""
