"""Devices that the backend computes on."""


def devices() -> list[str]:
    """Names of the devices, such as ``"cpu:0"`` and ``"cuda:0 (NVIDIA H200)"``."""
    import keras  # noqa: PLC0415 - not before a backend is chosen

    if keras.backend.backend() != "torch":
        return keras.distribution.list_devices()
    import torch  # noqa: PLC0415

    if torch.cuda.is_available():
        count = range(torch.cuda.device_count())
        return [f"cuda:{index} ({torch.cuda.get_device_name(index)})" for index in count]
    return ["mps:0"] if torch.backends.mps.is_available() else ["cpu:0"]
