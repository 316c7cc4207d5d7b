"""Training of the light model on synthetic clouds."""

from genpose_ros.training.data import CloudPool
from genpose_ros.training.trainer import Progress, TrainingSettings, train

__all__ = ["CloudPool", "Progress", "TrainingSettings", "train"]
