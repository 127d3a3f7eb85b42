"""The command answers at once, is quiet, and tells its own errors from those of the user."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import small
from typer.testing import CliRunner

import barlow
from barlow.cli import app

COMMAND = pathlib.Path(sys.executable).with_name("barlow")
SOURCE = pathlib.Path(barlow.__file__).parent

# Runs the command, then tells on which of these it has put its hands.
WATCHED = """
import sys
from _barlow_command import main
sys.argv = ["barlow", *sys.argv[1:]]
try:
    main()
finally:
    print("IMPORTED", *[name for name in {heavy} if name in sys.modules])
"""
HEAVY = ("keras", "tensorflow", "jax", "torch", "matplotlib", "sklearn", "PIL")


def run(*arguments, **options):
    command = [str(argument) for argument in arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["--help"], 0, "pretrain"),
        (["--version"], 0, "barlow 0.1.0"),
        (["pretrain", "--help"], 0, "--learning-rate"),
        (["evaluate", "--help"], 0, "--seed"),
        (["doctor", "--help"], 0, "missing"),
        (["pretrain"], 2, "Missing argument"),
        (["pretrain", "x", "--out", "y", "--epochs", "many"], 2, "--epochs"),
        (["pretrain", "x", "--out", "y", "--epochs", "0"], 2, "`epochs` must be at least 1"),
        (["pretrain", "x", "--out", "y", "--optimizer", "moun"], 2, "Did you mean 'muon'?"),
        (["pretrain", "x", "--out", "y", "--views", "photo"], 2, "Did you mean 'photos'?"),
        (["pretrain", "x", "--out", "y", "--projector", "a"], 2, "numbers with commas"),
        (["pretrain", "x", "--out", "/dev/null/y"], 2, "No run can be written at"),
        (["pretrian", "x"], 2, "pretrian"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_help_and_wrong_usage_import_nothing_heavy(arguments, code, word, tmp_path):
    environment = {**os.environ, "COLUMNS": "200", "TERM": "dumb"}
    done = run(sys.executable, "-c", WATCHED.format(heavy=HEAVY), *arguments, env=environment,
               cwd=tmp_path)  # fmt: skip
    assert done.returncode == code, done.stderr
    assert word in done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].split() == ["IMPORTED"]


def imports():
    """Every package that is imported somewhere in barlow or that a command here imports."""
    text = "\n".join(path.read_text() for path in SOURCE.rglob("*.py"))
    found = set(re.findall(r"^\s*(?:import|from) ([a-zA-Z]\w*)", text, re.MULTILINE))
    found |= {"tensorboard", "scipy", "IPython", "torchvision", "flax", "pandas", "json", "typing"}
    return sorted(found - {"barlow", "__future__"})


@pytest.mark.once
@pytest.mark.slow
def test_what_lies_in_the_working_folder_is_data_and_not_code(tmp_path):
    """Modules named like every import are never run, but one that `--encoder` names."""
    for name in imports():
        (tmp_path / f"{name}.py").write_text(
            f"open({str(tmp_path / 'RUN')!r}, 'a').write({name!r})"
        )
    (tmp_path / "ours.py").write_text(
        "import keras\n"
        "def small(image_shape):\n"
        "    flat = keras.layers.Flatten()\n"
        "    return keras.Sequential([keras.Input(image_shape), flat, keras.layers.Dense(4)])\n"
    )
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (16, 8, 8)))
    np.savez(tmp_path / "y.npz", images=np.zeros((16, 8, 8)), labels=np.arange(16) % 2)
    for arguments in (
        ["--help"],
        ["doctor"],
        ["pretrain", "x.npy", "--out", "run", "--epochs", "1", "--encoder", "ours:small"],
        ["evaluate", "run", "y.npz"],
    ):
        done = run(COMMAND, *arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert not (tmp_path / "RUN").exists(), (tmp_path / "RUN").read_text()


@pytest.mark.slow
def test_a_command_prints_no_line_of_a_log(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (16, 8, 8)))
    shutil.copy(small.__file__, tmp_path)
    arguments = [COMMAND, "pretrain", "x.npy", "--out", "run", "--epochs", "1"]
    arguments += ["--encoder", "small:network"]
    # The level of TensorFlow's log, which Keras sets in this process, stands if it is set.
    environment = {key: os.environ[key] for key in os.environ.keys() - {"TF_CPP_MIN_LOG_LEVEL"}}
    done = run(*arguments, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert not re.search(r"oneDNN|absl|XLA|TF_|^[IWE]\d{4} ", done.stdout, re.MULTILINE)


@pytest.fixture
def invoke():
    def call(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        return result.exit_code, result.output

    return call


@pytest.mark.once
def test_an_error_that_is_not_the_users_is_told_as_a_bug(invoke, tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.zeros((4, 8, 8)))

    def broken(*_, **__):
        raise ValueError("operands could not be broadcast")

    monkeypatch.setattr(barlow.data, "load", broken)
    arguments = ["recommend", tmp_path / "x.npy"]
    code, output = invoke(*arguments)
    assert code == 1
    for word in ("ValueError: operands could", "bug of barlow", "barlow doctor", "--traceback"):
        assert word in output
    assert "Traceback" not in output
    code, output = invoke(*arguments, "--traceback")
    assert code == 1
    assert "Traceback" in output
    assert "in broken" in output


@pytest.mark.once
def test_an_error_of_the_user_is_one_sentence_and_shows_where_on_request(invoke, tmp_path):
    arguments = ["recommend", tmp_path / "nowhere"]
    code, output = invoke(*arguments)
    assert code == 2
    assert output.strip() == f"Error: There is nothing at {tmp_path / 'nowhere'}."
    code, output = invoke(*arguments, "--traceback")
    assert code == 2
    assert "Traceback" in output


@pytest.mark.once
def test_recipe_is_a_hidden_name_of_recommend(invoke, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((40, 8, 8)))
    assert invoke("recipe", tmp_path / "x.npy") == invoke("recommend", tmp_path / "x.npy")
    _, output = invoke("--help")
    assert "recommend" in output
    assert not re.search(r"\brecipe\b", output)


@pytest.mark.once
def test_the_doctor_tells_versions_backend_devices_and_memory(invoke):
    code, output = invoke("doctor")
    assert code == 0
    for word in ("barlow", "Keras", keras.__version__, keras.backend.backend(), "GiB", "devices"):
        assert word in output
    assert "Nothing is missing." in output


@pytest.mark.once
def test_the_doctor_tells_what_is_missing_and_how_to_install_it():
    """Without the packages of the extras, and without a backend, which a path leaves out."""
    program = (
        "import sys, importlib.metadata as metadata\n"
        "find = metadata.version\n"
        "def version(name):\n"
        "    if name.lower() in ('pillow', 'pyarrow'):\n"
        "        raise metadata.PackageNotFoundError(name)\n"
        "    return '1.0' if name.lower() == 'matplotlib' else find(name)\n"
        "metadata.version = version\n"
        "from barlow.cli import main\n"
        "sys.argv = ['barlow', 'doctor']\n"
        "main()\n"
    )
    done = run(sys.executable, "-c", program, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    for word in ("pillow", "pip install 'barlow[cli]'", "pyarrow", "pip install 'barlow[data]'",
                 "matplotlib>=3.8 (1.0 is installed)"):  # fmt: skip
        assert word in done.stdout


@pytest.mark.once
@pytest.mark.parametrize("name", ["install-completion", "show-completion"])
def test_the_shell_completes_commands_options_and_choices(name, invoke):
    _, output = invoke("--help")
    assert f"--{name}" in output
    environment = {
        **os.environ, "_BARLOW_COMPLETE": "complete_bash", "COMP_CWORD": "5",
        "COMP_WORDS": "barlow pretrain x --optimizer ", "_TYPER_COMPLETE_ARGS": "",
    }  # fmt: skip
    environment["COMP_CWORD"] = "4"
    done = run(COMMAND, env=environment)
    assert set(done.stdout.split()) >= {"muon", "lars", "adamw"}
