"""The two ways in which a command can end badly."""


class InputError(ValueError):
    """Bad input or usage: one line naming the file, the field, what was found, what was expected, what to do.

    The command line turns it into exit code 2.
    """


class WorkFailed(RuntimeError):
    """The input was fine, the work was not (a diverged loss, a download that broke): exit code 1."""
