"""Training of the light model on synthetic clouds."""

from genpose_ros.training.data import CloudPool
from genpose_ros.training.runs import averaged_model, train_run
from genpose_ros.training.trainer import Progress, TrainingSettings, train

__all__ = ["CloudPool", "Progress", "TrainingSettings", "averaged_model", "train", "train_run"]
