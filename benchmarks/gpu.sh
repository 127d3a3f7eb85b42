#!/bin/sh
# The loss and whole training steps on the GPU at hand, in under 8 minutes:
#
#     benchmarks/gpu.sh [--smallest] [--out FOLDER]
#
# It needs a Python with PyTorch or JAX or both. If Keras is not there, it is installed for this run
# from the wheels in the folder WHEELS. PYTHON is the interpreter.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
export PYTHONPATH="$here/../src${PYTHONPATH:+:$PYTHONPATH}"
export XLA_PYTHON_CLIENT_PREALLOCATE=false TF_CPP_MIN_LOG_LEVEL=3
if ! "$python" -c 'import importlib.util as u, sys; sys.exit(u.find_spec("keras") is None)'; then
    packages=$(mktemp -d)
    trap 'rm -rf "$packages"' EXIT
    "$python" -m pip install --quiet --no-index --find-links "${WHEELS:-$here/wheels}" \
        --target "$packages" keras
    export PYTHONPATH="$PYTHONPATH:$packages"
fi
"$python" "$here/_gpu_loss.py" "$@"
"$python" "$here/_gpu_step.py" "$@"
