"""A training that a test kills: python killed.py FOLDER."""

import sys

import torch

from alignment.cases import SMALL, grey, square
from kinsight.alignment import Passes, Training, train

if __name__ == "__main__":
    torch.set_num_threads(1)
    asked = Training(steps=(120, 2), batch=2, side=32, size=SMALL, passes=Passes((1,), 1))
    train([grey()], [[square(), square(80, 60)]], asked, sys.argv[1])
