"""Where networks run, by name, and in which precision."""

from contextlib import AbstractContextManager, nullcontext

import torch

from synthmed.errors import ConfigError


def find_device(name: str) -> torch.device:
    """The device of that name: "cpu", "cuda", "cuda:1".

    Raises:
        ConfigError: no such device on this machine.
    """
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        found = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
        raise ConfigError(f"Device {name!r} cannot be used; this machine has {', '.join(found)}.") from error
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"Device {name!r} holds no numbers; give cpu, cuda or cuda:N.")
    return device


def lowered_precision(device: torch.device, enabled: bool) -> AbstractContextManager[object]:
    """Inside it convolutions and products run in bfloat16, if enabled."""
    return torch.autocast(device.type, torch.bfloat16) if enabled else nullcontext()


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Inside it all runs in float32, also within ``lowered_precision``: for sums and for what is compared later."""
    return torch.autocast(device.type, enabled=False) if torch.is_autocast_enabled(device.type) else nullcontext()
