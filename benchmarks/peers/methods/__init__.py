"""How each package is asked for the same numbers: a module each, imported in its worker alone.

A module has a class ``Method(folder)`` with ``one_pass()``, a training pass over the inputs, and
``ways()``: name -> a function without arguments that computes the result. Ways are batch sizes and
modes; the fastest counts. None where the package has nothing for the task.
"""
