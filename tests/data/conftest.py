"""What does not touch Keras is tested once, on JAX, whose import is the quickest."""

import keras

if keras.backend.backend() != "jax":
    collect_ignore_glob = [
        f"test_{name}.py"
        for name in (
            *("decoding", "files", "fingerprint", "folder", "huggingface", "images", "lazy"),
            *("manifest", "names", "packages", "paths", "reading", "shards", "sources"),
        )
    ]
