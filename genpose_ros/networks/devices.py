"""Where a network runs."""

import torch

__all__ = ["torch_device"]


def torch_device(name: str) -> torch.device:
    """Return the device of a name: auto (CUDA where there is one), cpu, cuda or cuda:N.

    Raises:
        ValueError: another name, or a CUDA device that this machine does not have.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    wrong = f"device must be auto, cpu, cuda or cuda:N, got {name!r}"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(wrong) from error
    if device.type not in ("cpu", "cuda"):
        raise ValueError(wrong)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {name}: this machine has {torch.cuda.device_count()} CUDA devices"
        )
    return device
