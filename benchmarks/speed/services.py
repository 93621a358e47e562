# SPDX-License-Identifier: BSD-3-Clause
"""What does asking a network behind an address cost, compared with the network alone?

A ResNet-20 for images of 32 x 32 (float32, random weights) answers on the loopback address,
in a process of its own with one thread. The table shows median milliseconds per image and their
ratio to the network alone, in a batch of the same size on one thread:

- ``binary``: tensors as bytes;
- ``json``: tensors as JSON.
"""

from __future__ import annotations

import json
import multiprocessing
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import torch

from benchmarks._cifar import network
from benchmarks._common import machine, show_in_turn, versions
from skzest.queries import RemoteQuery

TAKES = "2 min"
NEEDS = "torch, urllib3; no data"
QUICK = {"images": 8, "rows": 4, "repeats": 1}
LENGTH = "Inference-Header-Content-Length"


def answer(net, images):
    with torch.inference_mode():
        return net(torch.from_numpy(images)).numpy()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet
    net = None

    def log_message(self, *args):
        pass

    def do_GET(self):
        tensors = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3, 32, 32]}]}
        self.send({} if self.path == "/v2" else tensors)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        length = int(self.headers.get(LENGTH, len(body)))
        (tensor,) = json.loads(body[:length])["inputs"]
        if "data" in tensor:
            flat = np.array(tensor["data"], dtype=np.float32)
        else:
            flat = np.frombuffer(bytearray(body[length:]), dtype=np.float32)
        scores = answer(self.net, flat.reshape(tensor["shape"]))
        output = {"name": "y", "datatype": "FP32", "shape": scores.shape}
        if "data" in tensor:
            self.send({"outputs": [output | {"data": scores.ravel().tolist()}]})
        else:
            self.send(
                {"outputs": [output | {"parameters": {"binary_data_size": scores.nbytes}}]},
                scores.tobytes(),
            )

    def send(self, value, data=b""):
        head = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(head + data)))
        self.send_header(LENGTH, str(len(head)))
        self.end_headers()
        self.wfile.write(head + data)


def serve(ports):
    """Run the server, and say at which port."""
    torch.set_num_threads(1)
    Handler.net = network()
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        ports.put(server.server_address[1])
        threading.Timer(600, server.shutdown).start()
        server.serve_forever()


def add_options(parser):
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--rows", type=int, default=64, help="per call")
    parser.add_argument("--repeats", type=int, default=7)


def main(args):
    torch.set_num_threads(1)
    rng = np.random.default_rng(args.seed)
    images = rng.normal(size=(args.images, 3, 32, 32)).astype(np.float32)
    net = network()
    context = multiprocessing.get_context("spawn")
    ports = context.Queue()
    child = context.Process(target=serve, args=(ports,), daemon=True)
    child.start()
    url = f"http://127.0.0.1:{ports.get(timeout=120)}/v2/models/m"

    def alone():
        for start in range(0, args.images, args.rows):
            answer(net, images[start : start + args.rows])

    def remote(query):
        with query.session():
            query.ask(images, "logits")

    ways = {"alone": alone}
    for name, binary in (("binary", True), ("json", False)):
        query = RemoteQuery(url, binary=binary, output="logits", max_rows=args.rows)
        ways[name] = partial(remote, query)
    print(f"{machine()}, {versions()}, 1 torch thread")
    show_in_turn(ways, "alone", args.images, args.repeats)
    child.terminate()
