# SPDX-License-Identifier: BSD-3-Clause
"""What do queries of model files cost beside their bare runtimes, and how far are int8 twins?

- ``time``: a network of two convolutions as ONNX, on batches that are ready for it: onnxruntime
  alone, OnnxQuery, and IsolatedQuery, in turn; then onnxruntime alone and OnnxQuery on uint8
  images that the query has to scale and transpose;
- ``twins``: with ``--data``, distances between the networks of ``networks/cifar_*.tflite`` and
  ``networks/kws_*.tflite``, with 16 points and 64 fractional masks, for three values of ``clip``.

Times on the clock are the best of many, taken in turn, so that a busy machine disturbs all alike;
processor times, of both processes together, are means. On a busy machine compare only these.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.fft import dct

from benchmarks._common import seconds, show, write_table
from skzest import (
    AudioMasker,
    ImageMasker,
    LimeSignatureTransformer,
    OnnxQuery,
    zest_distances,
)
from skzest.loading import IsolatedQuery
from skzest.queries import LiteRTQuery

TAKES = "2 min"
NEEDS = "Linux, onnx, onnxruntime, ai-edge-litert; for the twins --data"
QUICK = {"repeats": 2}
RATE = 16_000


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repeats", type=int, default=60, help="of each time")


def main(options: argparse.Namespace) -> None:
    write_table(options.results / "model_files_time.csv", list(times(options.repeats)))
    if options.data:
        rows = list(twins(options.data))
        write_table(options.results / "model_files_twins.csv", rows)


# --- time -----------------------------------------------------------------------------------


def convolutions(n_channels: int = 32) -> bytes:
    """A network for 32 x 32 images, as ONNX."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    shapes = {
        "a": (n_channels, 3, 3, 3),
        "b": (n_channels, n_channels, 3, 3),
        "c": (n_channels, 10),
    }
    weights = [
        numpy_helper.from_array(rng.normal(0, 0.1, shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["1"], pads=[1] * 4),
        helper.make_node("Relu", ["1"], ["2"]),
        helper.make_node("Conv", ["2", "b"], ["3"], pads=[1] * 4),
        helper.make_node("Relu", ["3"], ["4"]),
        helper.make_node("GlobalAveragePool", ["4"], ["5"]),
        helper.make_node("Flatten", ["5"], ["6"]),
        helper.make_node("MatMul", ["6", "c"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 32, 32])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])
    graph = helper.make_graph(nodes, "net", [x], [y], weights)
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


def times(repeats: int):
    """Milliseconds of a batch, and how many times those of onnxruntime alone they are."""
    import onnxruntime

    net = convolutions()
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(net, settings, providers=["CPUExecutionProvider"])
    ready = OnnxQuery(net, n_threads=1)
    scaled = OnnxQuery(net, n_threads=1, mean=[0.5] * 3, std=[0.25] * 3)
    isolated = IsolatedQuery(net, n_threads=1)
    used = 1e-9 * on_processor(isolated.child.pid)
    row = {"rows": 0, "way": "start of IsolatedQuery", "processor_ms": 1e3 * used}
    show(row)
    yield row
    for n in (16, 64, 256):
        images = np.random.default_rng(0).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
        batch = np.ascontiguousarray(
            np.moveaxis((images / 255 - 0.5) / 0.25, 3, 1), dtype=np.float32
        )
        ways = {
            "onnxruntime alone": lambda batch=batch: session.run(None, {"x": batch}),
            "OnnxQuery": lambda batch=batch: ready.ask(batch, "logits"),
            "IsolatedQuery": lambda batch=batch: isolated.ask(batch, "logits"),
            "OnnxQuery, uint8 images": lambda images=images: scaled.ask(images, "logits"),
        }
        best, used = in_turn(ways, repeats, isolated.child.pid)
        for way in ways:
            row = {
                "rows": n,
                "way": way,
                "ms": 1e3 * best[way],
                "ratio": best[way] / best["onnxruntime alone"],
                "processor_ms": 1e3 * used[way],
                "processor_ratio": used[way] / used["onnxruntime alone"],
            }
            show(row)
            yield row
    isolated.close()


def in_turn(calls: dict[str, Callable[[], object]], repeats: int, child: int):
    """The best time and the mean processor time of several calls, made in turn."""
    best, used = dict.fromkeys(calls, np.inf), dict.fromkeys(calls, 0.0)
    for _ in range(repeats):
        for name, call in calls.items():
            before = processor_time(child)
            best[name] = min(best[name], seconds(call))
            used[name] += (processor_time(child) - before) / repeats
    return best, used


def processor_time(child: int) -> float:
    """Processor time of this process and of a child, in seconds."""
    return time.process_time() + 1e-9 * on_processor(child)


def on_processor(child: int) -> int:
    """Nanoseconds that a process has had."""
    return int(Path(f"/proc/{child}/schedstat").read_text().split()[0])


# --- twins ----------------------------------------------------------------------------------


def twins(data: Path):
    """Largest distance between copies of one network, smallest between different networks."""
    yield from _near_and_far("cifar", data, _images(data), ImageMasker(), None)
    sounds = np.load(data / "speech_commands.npz")["audio"]
    masker = AudioMasker(sample_rate=RATE)
    chosen = np.random.default_rng(0).permutation(len(sounds))[:60]
    yield from _near_and_far("kws", data, sounds[chosen], masker, cepstra)


def _near_and_far(name: str, data: Path, reference: np.ndarray, masker, preprocess):
    paths = sorted((data / "networks").glob(f"{name}_*.tflite"))
    queries = [LiteRTQuery(path, preprocess=preprocess) for path in paths]
    lineage = np.array([path.stem.split("_")[1] for path in paths])
    same = (lineage[:, None] == lineage) & ~np.eye(len(paths), dtype=bool)
    for clip in (1e-6, 1e-3, 1 / 256):
        lime = LimeSignatureTransformer(
            reference,
            masker=masker,
            n_reference=16,
            n_samples=64,
            sampling="fractional",
            clip=clip,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that clip is too small for int8 is what is shown
            D = zest_distances(lime.fit_transform(queries))
        others = D[lineage[:, None] != lineage]
        row = {
            "networks": name,
            "clip": clip,
            "twins_at_most": D[same].max(),
            "others_at_least": others.min(),
        }
        show(row)
        yield row


def cepstra(waves: np.ndarray) -> np.ndarray:
    """What keyword networks of MLPerf Tiny take: 49 frames of 10 mel-frequency coefficients."""
    waves = waves / np.maximum(np.abs(waves).max(axis=1, keepdims=True), 1)
    frames = np.lib.stride_tricks.sliding_window_view(waves, 480, axis=1)[:, ::320]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(480) / 480)
    spectrum = np.abs(np.fft.rfft(frames * window, 512))
    coefficients = dct(np.log(spectrum @ _mel_bands() + 1e-6))[..., :10] / np.sqrt(80)
    return coefficients[..., None].astype(np.float32)


def _mel_bands(n_bands: int = 40, low: float = 20.0, high: float = 4000.0) -> np.ndarray:
    def mel(hertz):
        return 1127 * np.log1p(hertz / 700)

    edges = np.linspace(mel(low), mel(high), n_bands + 2)
    at = mel(np.arange(257) * RATE / 512)[:, None]
    rising = (at - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - at) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling))


def _images(data: Path, n: int = 200) -> np.ndarray:
    import io

    from PIL import Image

    stored = np.load(data / "cifar10_test.npz")
    webp, offset = stored["webp"].tobytes(), stored["offset"]
    cut = (webp[offset[i] : offset[i + 1]] for i in range(n))
    return np.stack([np.asarray(Image.open(io.BytesIO(image))) for image in cut])
