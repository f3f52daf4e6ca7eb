"""Exit statuses of the commands, beside 0."""

UNSOUND = 1  # the doctor found something wrong
WRONG = 2  # something impossible was asked for
STOPPED = 130  # Ctrl-C
