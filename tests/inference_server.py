"""A small server of the Open Inference Protocol on the loopback address, which can be made to
fail.

The server reads and writes the protocol by itself, without the code of the package, and counts
the rows that it received and those whose answers it sent whole.
"""

import contextlib
import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from skzest.queries import HttpQuery, RemoteQuery

LENGTH = "Inference-Header-Content-Length"
FAULTS = ("500", "503", "429", "reset", "truncated", "wrong length", "slow", "garbage")
CODES = {"FP32": "<f4", "FP64": "<f8", "INT64": "<i8", "UINT8": "<u1"}


class InferenceServer:
    """Serves ``model``, a function from rows to scores, as ``/v2/models/m``.

    Parameters
    ----------
    model : callable
    inputs, outputs : list of dict
        Metadata.
    extensions : list of str
    fault : callable, default=None
        ``fault(n_call)`` gives one of FAULTS, or None to answer.
    dies_at : set of int
        Calls at which the server closes its port and all connections.
    token : str, default=None
        Without it requests get 401.
    hang_seconds : float
        How long "slow" takes.
    min_gap : float, default=0.0
        Seconds between two calls; one that comes earlier gets 429.
    """

    def __init__(
        self,
        model,
        *,
        inputs=({"name": "rows", "datatype": "FP64", "shape": [-1, -1]},),
        outputs=({"name": "scores", "datatype": "FP64", "shape": [-1, -1]},),
        extensions=("binary_tensor_data",),
        fault=None,
        dies_at=(),
        token=None,
        hang_seconds=1.0,
        min_gap=0.0,
    ):
        self.model, self.fault, self.dies_at = model, fault, set(dies_at)
        self.metadata = {"name": "m", "inputs": list(inputs), "outputs": list(outputs)}
        self.extensions, self.token, self.hang_seconds = list(extensions), token, hang_seconds
        self.answers_as = None  # name of the output, if not the one that was asked for
        self.n_calls = self.n_received = self.n_lives = 0
        self.n_open = self.most_open = 0
        self.min_gap, self.n_too_early, self._next = min_gap, 0, 0.0
        self.answered = []  # (life, bytes of a row), for each row whose answer was sent whole
        self.asked = []  # the same for each row received
        self.faults = Counter()
        self.requests = []  # (path, headers) of every request
        self.alive = False
        self._port, self._lock = 0, threading.Lock()
        self._hung, self._closed = threading.Event(), threading.Event()
        self._closed.set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._port}/v2/models/m"

    def start(self):
        assert self._closed.wait(30)
        self._closed.clear()
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), handler)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        self.alive, self.n_lives = True, self.n_lives + 1
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self._timer = threading.Timer(120, self.die)  # should a test hang, the server does not
        self._timer.daemon = True
        self._timer.start()
        return self

    def die(self):
        with self._lock:
            if not self.alive:
                return
            self.alive = False
        self._hung.set()
        self._timer.cancel()
        self._server.shutdown()
        self._server.server_close()
        self._closed.set()

    def __enter__(self):
        return self.start()

    def __exit__(self, *error):
        self.die()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet, which spares 40 ms a call

    def log_message(self, *args):
        pass

    def handle(self):
        # The client goes away when it has had enough, and so does this side.
        with contextlib.suppress(ConnectionError, ValueError):
            super().handle()

    def do_GET(self):
        server = self.owner
        server.requests.append((self.path, dict(self.headers)))
        if not self._allowed():
            return
        if self.path == "/v2":
            self._send_json({"name": "test", "extensions": server.extensions})
        elif self.path == "/v2/models/m":
            self._send_json(server.metadata)
        else:
            self._send_json({"error": f"no model at {self.path}"}, status=404)

    def do_POST(self):
        server = self.owner
        server.requests.append((self.path, dict(self.headers)))
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._allowed():
            return
        head = body[: int(self.headers.get(LENGTH, len(body)))]
        request = json.loads(head)
        rows = self._rows(request["inputs"][0], body[len(head) :])
        with server._lock:
            n_call, server.n_calls = server.n_calls, server.n_calls + 1
            server.n_received += len(rows)
            life = server.n_lives
            server.asked += [(life, row.tobytes()) for row in rows]
            server.n_open += 1
            too_early = time.monotonic() < server._next
            server.n_too_early += too_early
            if not too_early:
                server._next = time.monotonic() + server.min_gap
            server.most_open = max(server.most_open, server.n_open)
        try:
            self._reply(n_call, life, rows, request, too_early)
        finally:
            with server._lock:
                server.n_open -= 1

    def _reply(self, n_call, life, rows, request, too_early):
        server = self.owner
        if n_call in server.dies_at:
            threading.Thread(target=server.die, daemon=True).start()
            while server.alive:
                pass
        if not server.alive or life != server.n_lives:
            self._reset()
            return
        fault = None if server.fault is None else server.fault(n_call)
        fault = "429" if too_early else fault
        server.faults[fault] += 1
        if fault is None:
            self._send_scores(server.model(rows), request)
            with server._lock:
                server.answered += [(life, row.tobytes()) for row in rows]
        else:
            self._fail(fault, rows, request)

    def _fail(self, fault, rows, request):
        if fault in ("500", "503", "429"):
            headers = {"Retry-After": "0.01"} if fault == "503" else {}
            self._send_json({"error": "overloaded"}, status=int(fault), **headers)
        elif fault == "reset":
            self._reset()
        elif fault == "wrong length":
            self._send_scores(self.owner.model(rows)[1:], request)
        elif fault == "slow":
            self.owner._hung.wait(self.owner.hang_seconds)
            self._reset()
        elif fault == "truncated":
            self._send(b'{"outputs": [', announced=1000)
            self._reset()
        else:
            self._send(b'{"outputs": [nonsense')

    # --- the protocol ---------------------------------------------------------------------

    def _rows(self, tensor, rest):
        if "data" in tensor:
            flat = np.array(tensor["data"], CODES[tensor["datatype"]])
        else:
            flat = np.frombuffer(rest, CODES[tensor["datatype"]])
        return flat.reshape(tensor["shape"])

    def _send_scores(self, scores, request):
        outputs = request.get("outputs", [{}])
        wanted = outputs[0].get("parameters", {}).get("binary_data")
        wanted = wanted or request.get("parameters", {}).get("binary_data_output")
        name = self.owner.answers_as or outputs[0].get("name", "scores")
        code = {"f4": "FP32", "f8": "FP64", "i8": "INT64"}[scores.dtype.str[1:]]
        entry = {"name": name, "datatype": code, "shape": list(scores.shape)}
        if not wanted:
            self._send_json({"outputs": [entry | {"data": scores.ravel().tolist()}]})
            return
        data = scores.tobytes()
        head = json.dumps({"outputs": [entry | {"parameters": {"binary_data_size": len(data)}}]})
        self._send(head.encode() + data, **{LENGTH: str(len(head))})

    # --- HTTP -----------------------------------------------------------------------------

    def _allowed(self):
        token = self.owner.token
        if token is None or self.headers.get("Authorization") == f"Bearer {token}":
            return True
        given = self.headers.get("Authorization", "nothing")
        self._send_json({"error": f"{given} is not valid"}, status=401)
        return False

    def _send_json(self, value, status=200, **headers):
        self._send(json.dumps(value).encode(), status=status, **headers)

    def _send(self, body, status=200, announced=None, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(announced or len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _reset(self):
        self.close_connection = True
        self.wfile.flush()
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()


class QueriesOfAServer:
    """Queries of a server that stops by itself, for checks of every kind of query."""

    def __init__(self, model, **params):
        url = InferenceServer(model).start().url
        self.remote = RemoteQuery(url, **params)
        self.http = HttpQuery(f"{url}/infer", encode=to_json, decode=from_json, **params)


def to_json(rows):
    """A request by hand."""
    tensor = {"name": "rows", "datatype": "FP64", "shape": list(rows.shape)}
    return {"inputs": [tensor | {"data": rows.ravel().tolist()}]}


def from_json(body):
    """The only output of an answer."""
    (output,) = json.loads(body)["outputs"]
    return np.array(output["data"]).reshape(output["shape"])


def one_in_five(seed=0):
    """A fault for a fifth of all calls, each kind as often as any other."""
    rng = random.Random(seed)
    drawn = {}

    def fault(n_call):
        if n_call not in drawn:
            drawn[n_call] = rng.choice(FAULTS) if rng.random() < 0.2 else None
        return drawn[n_call]

    return fault
