"""The look at the first inputs, which never ends a training that Keras alone would do."""

import contextlib
import itertools
import warnings

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import barlow
from barlow.errors import InvalidInput
from barlow.models.inputs import first_inputs, only_input
from barlow.views import ImageViews, Recipe

BATCHES, BATCH, SHAPE = 3, 8, (8, 8, 1)
IMAGES = np.random.default_rng(0).uniform(0, 255, (BATCHES * BATCH, *SHAPE)).astype("float32")
CAN_TAKE = {"DataLoader of dictionaries": ("torch",), "DataLoader of tensors": ("torch",)}


class Unchecked(keras.layers.Layer):
    """Views without a check, so that nothing looks at the inputs."""

    def call(self, images):
        return keras.ops.cast(images, "float32"), keras.ops.cast(images, "float32") + 1


def make_model(views=None):
    layers = [keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Rescaling(1 / 255)]
    model = barlow.BarlowTwins(
        keras.Sequential([*layers, keras.layers.Dense(8)]),
        (8,),
        views=views or ImageViews(Recipe(brightness=0.5), seed=0),
    )
    # TensorFlow takes longer to trace a step than to compute all of them.
    model.compile("adamw", run_eagerly=keras.backend.backend() == "tensorflow")
    return model


class Stream(keras.utils.PyDataset):
    """A dataset that reads on: no batch can be read again, whatever its index."""

    def __init__(self, images=IMAGES, fails=(), of=lambda batch: (batch,)):
        super().__init__()
        self.asked, self.images, self.fails, self.of = 0, images, fails, of

    @property
    def num_batches(self):
        return BATCHES

    def __getitem__(self, index):
        self.asked += 1
        if self.asked in self.fails:
            raise KeyError("not yet")
        return self.of(self.images[index * BATCH :][:BATCH])


def in_dictionary(images):
    return {"image": images, "label": np.zeros(len(images)), "box": np.zeros((len(images), 4))}


def loader(images, rows_of=lambda image: (image,), streams=False, **options):
    torch = pytest.importorskip("torch")
    data = torch.utils.data
    rows = [rows_of(torch.from_numpy(image)) for image in images]

    class Rows(data.Dataset):
        def __len__(self):
            return len(rows)

        def __getitem__(self, index):
            return rows[index]

    class Endless(data.IterableDataset):
        def __iter__(self):
            return iter(rows)

    return data.DataLoader(Endless() if streams else Rows(), **{"batch_size": BATCH, **options})


def tf_data(content):
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices(content).batch(BATCH)


FORMS = {
    "array": lambda images: images,
    "dictionary of arrays": in_dictionary,
    "generator": lambda images: ((images[i : i + BATCH],) for i in range(0, len(images), BATCH)),
    "dataset": Stream,
    "dataset of dictionaries": lambda images: Stream(images, of=in_dictionary),
    "dataset that fails at first": lambda images: Stream(images, fails=(1,)),
    "tf.data": tf_data,
    "tf.data of dictionaries": lambda images: tf_data(in_dictionary(images)),
    "DataLoader": loader,
    "DataLoader of tensors": lambda images: loader(images, lambda image: image),
    "DataLoader of dictionaries": lambda images: loader(
        images, lambda image: {"image": image, "label": 1}
    ),
    "DataLoader of a stream": lambda images: loader(images, streams=True),
    "DataLoader of whole batches": lambda images: loader(
        images.reshape(BATCHES, BATCH, *SHAPE), batch_size=None
    ),
}
UNSEEN = ("generator", "dataset that fails at first", "DataLoader of a stream")


@pytest.fixture(params=FORMS)
def form(request):
    """A form of inputs that Keras takes with this backend."""
    if keras.backend.backend() not in CAN_TAKE.get(request.param, (keras.backend.backend(),)):
        pytest.skip("Keras itself does not take it with this backend")
    return request.param


@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
def test_all_that_keras_takes_trains_for_as_many_steps_as_without_a_look(form):
    steps = []
    for views in (Unchecked(), None):
        expects = contextlib.nullcontext()
        make = FORMS[form]
        if form == "dataset that fails at first":
            make = Stream
            if not views:
                make, warning = FORMS[form], r"first inputs are not checked\. KeyError: 'not yet'"
                expects = pytest.warns(UserWarning, match=warning)
        model = make_model(views)
        with expects:
            model.fit(make(IMAGES), batch_size=BATCH, verbose=0)
        steps.append(int(model.optimizer.iterations))
    assert steps[0] == steps[1] >= BATCHES


def test_fractions_are_refused_wherever_they_can_be_seen(form):
    if form in UNSEEN:
        pytest.skip("It can be read only once")
    with pytest.raises(ValueError, match="from 0"):
        make_model().fit(FORMS[form](IMAGES / 255), batch_size=BATCH, verbose=0)


@pytest.mark.parametrize("built", [False, True])
def test_a_dataset_is_asked_for_no_more_batches_than_by_keras_alone(built):
    asked = []
    for views in (Unchecked(), None):
        model = make_model(views)
        if built:
            model.fit(IMAGES, batch_size=BATCH, verbose=0)
        dataset = Stream()
        model.fit(dataset, verbose=0, epochs=2)
        asked.append(dataset.asked)
    assert asked[0] == asked[1]


def test_a_dataset_hears_of_its_epochs():
    heard = []

    class Hears(Stream):
        def on_epoch_begin(self):
            heard.append("begin")

        def on_epoch_end(self):
            heard.append("end")

    make_model(Unchecked()).fit(Hears(), epochs=2, verbose=0)
    expected = heard.copy()
    heard.clear()
    make_model().fit(Hears(), epochs=2, verbose=0)
    assert heard == expected
    assert "end" in heard


def test_a_check_that_fails_is_a_warning_and_one_that_refuses_is_not():
    class Views(ImageViews):
        def check(self, images, values_are_known=False):
            raise self.error

    model = make_model(Views(Recipe(brightness=0.5)))
    model.views.error = RuntimeError("no such device\nand more")
    with pytest.warns(UserWarning, match=r"not checked\. RuntimeError: no such device$"):
        model.fit(IMAGES, batch_size=BATCH, verbose=0)
    assert int(model.optimizer.iterations) == BATCHES
    model.views.error = InvalidInput("too dark")
    with pytest.raises(InvalidInput, match="too dark"):
        model.fit(IMAGES, verbose=0)


@pytest.mark.parametrize(
    "batch",
    [
        {"left": IMAGES, "right": IMAGES, "label": np.zeros(24)},
        {"label": np.zeros(24), "weight": np.ones(24)},
        {"name": ["a", "b"]},
        {},
    ],
)
def test_a_dictionary_without_one_input_is_refused_with_its_shapes(batch):
    with pytest.raises(InvalidInput, match=r"exactly one.*Received entries of shape \{.*\}") as one:
        only_input(batch)
    for name, value in batch.items():
        assert (name in str(one.value)) == hasattr(value, "shape")


@settings(deadline=None)
@given(
    ranks=st.dictionaries(st.text(max_size=3), st.integers(1, 4), min_size=1),
    texts=st.dictionaries(st.integers(), st.lists(st.text())),
)
def test_of_a_dictionary_the_entry_of_the_highest_rank_is_the_input(ranks, texts):
    batch = {**{name: np.zeros((2,) * rank) for name, rank in ranks.items()}, **texts}
    highest = [name for name in ranks if ranks[name] == max(ranks.values())]
    if len(highest) == 1:
        assert only_input(batch) is batch[highest[0]]
    else:
        with pytest.raises(InvalidInput):
            only_input(batch)


class Anything:
    """An object with some of the attributes by which inputs are known, each of which may fail."""

    def __init__(self, names, error):
        self._names, self._error = names, error

    def __getattr__(self, name):
        if name in self._names:
            raise self._error
        raise AttributeError(name)


@given(
    names=st.sets(st.sampled_from(["shape", "element_spec", "take", "collate_fn", "dataset"])),
    error=st.sampled_from([TypeError("x"), OSError(5, "y"), StopIteration(), AttributeError("z")]),
)
def test_whatever_happens_while_looking_is_a_warning(names, error):
    given_ = Anything(names, error)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert first_inputs(given_) == (None, given_)
    assert all("first inputs are not checked" in str(each.message) for each in caught)


def test_the_sampler_of_a_loader_draws_what_it_would_draw_without_the_look():
    torch = pytest.importorskip("torch")

    def order(look):
        torch.manual_seed(0)
        shuffled = loader(IMAGES, shuffle=True)
        if look:
            assert len(first_inputs(shuffled)[0]) == len(IMAGES)
        return torch.cat([batch for (batch,) in itertools.islice(shuffled, BATCHES)])

    np.testing.assert_array_equal(order(True), order(False))
