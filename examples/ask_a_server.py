# SPDX-License-Identifier: BSD-3-Clause
"""
Is the model on the server the one that we released?
====================================================

A model runs on `MLServer <https://mlserver.readthedocs.io>`_, and we have the file that was to be
deployed. Are they the same? A server does not show its model, but it answers, and that is enough.

This page is not run with the others, because it starts a server. To run it::

    pip install mlserver mlserver-sklearn "skzest[remote]"
    python examples/ask_a_server.py
"""

# %%
# A server
# --------
# Two classifiers of iris flowers: what was released, and a trial with stronger regularisation. The
# first is served, under the name "iris", on the loopback address.
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

X, y = load_iris(return_X_y=True)
released = LogisticRegression(max_iter=1000).fit(X, y)
trial = LogisticRegression(C=0.01, max_iter=1000).fit(X, y)

folder = Path(tempfile.mkdtemp())
joblib.dump(released, folder / "model.joblib")
ports = []
for _ in range(3):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        ports.append(free.getsockname()[1])
settings = {
    "host": "127.0.0.1",
    "http_port": ports[0],
    "grpc_port": ports[1],
    "metrics_port": ports[2],
    "parallel_workers": 0,
}
model_settings = {
    "name": "iris",
    "implementation": "mlserver_sklearn.SKLearnModel",
    "parameters": {"uri": "./model.joblib"},
    "inputs": [{"name": "rows", "datatype": "FP64", "shape": [-1, 4]}],
    "outputs": [{"name": "predict_proba", "datatype": "FP64", "shape": [-1, 3]}],
}
(folder / "settings.json").write_text(json.dumps(settings))
(folder / "model-settings.json").write_text(json.dumps(model_settings))

server = subprocess.Popen(
    [Path(sys.executable).parent / "mlserver", "start", folder], stdout=subprocess.DEVNULL
)
url = f"http://127.0.0.1:{ports[0]}/v2/models/iris"
for _ in range(60):
    try:
        urllib.request.urlopen(f"{url}/ready")
        break
    except OSError:
        time.sleep(1)

# %%
# Ask it
# ------
# The names, datatypes and shapes come from the server. ``model_id`` names the model in the store of
# answers: an interrupted run resumes where it stopped, and what was paid for is not paid for again.
from skzest import LimeSignatureTransformer, zest_distances
from skzest.queries import RemoteQuery

deployed = RemoteQuery(url, max_rows=128, max_questions=2000, model_id="iris, November 2026")
lime = LimeSignatureTransformer(
    X, n_reference=32, n_samples="auto", sampling="fractional", cache=folder / "answers.sqlite"
)
try:
    D = zest_distances(lime.fit_transform([deployed, released, trial]))
finally:
    server.terminate()

print(f"{deployed.n_questions} questions in calls of up to {deployed.max_rows}")
print(f"to what was released: {D[0, 1]:.3f}")
print(f"to the trial:         {D[0, 2]:.3f}")

# %%
# The deployed model is the released one.
#
# What this does not show: a server can answer the questions of an audit with one model and
# everybody else with another. Masked copies do not look like ordinary questions, so it can tell
# them apart.
