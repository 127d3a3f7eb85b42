"""Devices and workers that there are not are refused before anything is read or written."""

import json

import keras
import pytest

import barlow
from barlow import backend

BACKEND = keras.backend.backend()
IMAGES = barlow.data.digits().pixels[:8]


@pytest.mark.parametrize("devices", [0, -1, "many", "0", "1.5", 99])
def test_devices_that_there_are_not_are_refused_by_name(devices, tmp_path):
    with pytest.raises(ValueError, match=rf"Received: (devices=)?{devices}\b") as refused:
        barlow.pretrain(IMAGES, tmp_path / "run", devices=devices)
    ways = ("torchrun", "--devices") if (BACKEND, devices) == ("torch", 99) else ("'all'",)
    assert all(way in str(refused.value) for way in ways)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(BACKEND != "tensorflow", reason="the others train on many machines")
def test_workers_of_tensorflow_are_refused_with_the_backends_that_have_them(monkeypatch, tmp_path):
    cluster = {"worker": ["one:1", "two:1"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"index": 0}}))
    with pytest.raises(ValueError, match="KERAS_BACKEND=jax or KERAS_BACKEND=torch"):
        barlow.pretrain(IMAGES, tmp_path / "run")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(BACKEND != "tensorflow", reason="the others do not read it")
@pytest.mark.parametrize("config", ["", "{", "[]", '{"cluster": {"worker": ["one:1"]}}'])
def test_a_cluster_of_one_worker_or_none_is_one_machine(config, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", config)
    backend.join_processes()
