"""Exit statuses of the commands, beside 0."""

UNSOUND = 1  # the doctor found something wrong
WRONG = 2  # something impossible was asked for
DAMAGED = 3  # verify or repair found something in a store that is not as it was written
STOPPED = 130  # Ctrl-C
