"""Where networks run, by name."""

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
