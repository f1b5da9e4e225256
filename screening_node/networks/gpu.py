"""What a GPU's memory holds."""

from __future__ import annotations

import torch


def memory(device: torch.device) -> dict[str, float]:
    """Bytes of the device's memory: all, used by anybody, and held by this process; nothing where it is no GPU."""
    if device.type != "cuda":
        return {}
    free, total = torch.cuda.mem_get_info(device)
    return {
        "gpu_memory_total_bytes": float(total),
        "gpu_memory_used_bytes": float(total - free),
        "gpu_memory_reserved_bytes": float(torch.cuda.memory_reserved(device)),
    }
