"""Models behind an address: the protocol, failures, limits, secrets."""

import copy
import inspect
import json
import logging
import pickle
import threading
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from inference_server import FAULTS, InferenceServer, from_json, one_in_five, to_json

from skzest import AnswerStore, CallableQuery, LimeSignatureTransformer
from skzest.exceptions import PartialAnswerError, QueryError, ServiceError
from skzest.fingerprints import fingerprint
from skzest.queries import HOST, HttpQuery, RemoteQuery, ServiceQuery, respond
from skzest.queries.remote._protocol import DATATYPES, Tensor, decode, encode
from skzest.testing import check_query

pytest.importorskip("urllib3")

W = np.random.default_rng(0).normal(size=(3, 6))
ROWS = np.random.default_rng(1).normal(size=(40, 6))
TOKEN = "correct-horse-battery"
QUICK = {"output": "logits", "backoff": 0.001, "timeout": 10.0}


def linear(X):
    """Row by row, so that the bits do not depend on the batch."""
    return (X[:, None, :] * W).sum(axis=-1)


def probabilities(X):
    powers = np.exp(linear(X))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.fixture
def server():
    with InferenceServer(linear) as server:
        yield server


def remote(server, **params):
    return RemoteQuery(server.url, **{**QUICK, **params})


# --- the protocol ----------------------------------------------------------------------------

arrays = st.sampled_from(sorted(DATATYPES)).flatmap(
    lambda name: hnp.arrays(
        DATATYPES[name],
        hnp.array_shapes(min_dims=1, max_dims=3, max_side=4),
        elements={"allow_nan": False, "allow_infinity": False} if name[0] == "F" else None,
    )
)
texts = st.lists(st.text(st.characters(codec="utf-8")), min_size=1, max_size=5).map(
    lambda strings: np.array([s.encode() for s in strings], dtype=object)
)


def echoed(body, headers, *, binary):
    """The answer of a server that sends inputs back as outputs."""
    length = int(headers.get("Inference-Header-Content-Length", len(body)))
    request = json.loads(body[:length])
    head = json.dumps({"outputs": request["inputs"]}).encode()
    answered = {"Inference-Header-Content-Length": str(len(head))} if binary else {}
    return head + body[length:], answered


@pytest.mark.parametrize("binary", [True, False])
@given(values=st.one_of(arrays, texts))
def test_tensors_come_back_to_the_bit(binary, values):
    body, headers = encode([Tensor("x", values)], "y", binary=binary)
    (back,) = decode(*echoed(body, headers, binary=binary)).values()
    if values.dtype == object:
        assert [text.encode() for text in back] == values.tolist()
    else:
        assert back.dtype == values.dtype and back.shape == values.shape
        assert back.tobytes() == values.tobytes()


@given(content=st.binary(max_size=200), length=st.integers(-5, 300))
def test_noise_is_damage_and_nothing_worse(content, length):
    with pytest.raises(ValueError, match=r"\w"):
        decode(content, {"Inference-Header-Content-Length": str(length)})


def test_parameters_may_be_null():
    output = {"name": "y", "datatype": "INT64", "shape": [1], "data": [3], "parameters": None}
    answer = decode(json.dumps({"outputs": [output], "parameters": None}).encode(), {})
    assert answer["y"].tolist() == [3]


@pytest.mark.parametrize(
    ("outputs", "fact"),
    [
        ([{"name": "y", "datatype": "FP32", "shape": [2], "data": [1.0]}], "has 1 values"),
        ([{"name": "y", "datatype": "BF16", "shape": [1], "data": [1.0]}], "'BF16'"),
        ([{"name": "y", "datatype": "FP32", "shape": [1]}], "'data'"),
        ([{"name": "y", "datatype": "INT8", "shape": [1], "data": ["a"]}], "invalid literal"),
        (
            [
                {
                    "name": "y",
                    "datatype": "FP32",
                    "shape": [1],
                    "parameters": {"binary_data_size": 4},
                }
            ],
            "4 bytes are announced, and 0 are there",
        ),
        ("none", "protocol"),
    ],
)
def test_what_breaks_the_protocol_is_named(outputs, fact):
    with pytest.raises(ValueError, match=fact):
        decode(json.dumps({"outputs": outputs}).encode(), {})


# --- answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("binary", [True, False, None])
@pytest.mark.parametrize("n_connections", [1, 3])
def test_answers_equal_those_of_the_model_and_keep_their_order(server, binary, n_connections):
    query = remote(server, binary=binary, max_rows=7, n_connections=n_connections)
    answer = query.ask(ROWS, "logits")
    assert answer.tobytes() == linear(ROWS).tobytes()
    assert server.n_calls == 6 and query.n_questions == len(ROWS) == server.n_received
    sent_as = {headers.get("Content-Type") for path, headers in server.requests if "infer" in path}
    assert sent_as == {"application/json" if binary is False else "application/octet-stream"}


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("n_connections", [1, 2])
def test_the_contract_of_queries_holds(server, binary, n_connections):
    check_query(remote(server, binary=binary, max_rows=4, n_connections=n_connections), ROWS)


def test_labels_are_answers_too():
    outputs = [{"name": "label", "datatype": "INT64", "shape": [-1, 1]}]
    with InferenceServer(lambda X: linear(X).argmax(axis=1)[:, None], outputs=outputs) as server:
        query = remote(server, output="predict", classes=[0, 1, 2])
        check_query(query, ROWS)
        one_hot = respond(query, ROWS, "label")
    assert (one_hot.argmax(axis=1) == linear(ROWS).argmax(axis=1)).all()


def test_server_without_the_extension_is_asked_in_json():
    with InferenceServer(linear, extensions=[]) as server:
        assert remote(server).ask(ROWS, "logits").tobytes() == linear(ROWS).tobytes()
        infer = [headers for path, headers in server.requests if path.endswith("/infer")]
        assert {headers["Content-Type"] for headers in infer} == {"application/json"}


def test_batches_are_cast_to_what_the_server_takes():
    inputs = [{"name": "rows", "datatype": "FP32", "shape": [-1, 6]}]
    with InferenceServer(linear, inputs=inputs) as server:
        answer = remote(server).ask(ROWS, "logits")
        assert answer.tobytes() == linear(ROWS.astype(np.float32)).tobytes()
        with pytest.raises(QueryError, match=r"FP32 of shape \[-1, 6\].*float64 of shape \(n, 3\)"):
            remote(server).ask(ROWS[:, :3], "logits")
        # The remedy that the message names.
        repaired = remote(server, preprocess=lambda X: np.tile(X, 2))
        assert repaired.ask(ROWS[:, :3], "logits").shape == (40, 3)


def test_numbers_are_not_cut_to_integers_silently():
    inputs = [{"name": "rows", "datatype": "UINT8", "shape": [-1, 6]}]
    with InferenceServer(linear, inputs=inputs) as server:
        with pytest.raises(QueryError, match=r"UINT8.*float64"):
            remote(server).ask(ROWS, "logits")
        whole = np.arange(12, dtype=np.uint8).reshape(2, 6)
        assert remote(server).ask(whole, "logits").tobytes() == linear(whole).tobytes()


def test_model_exported_for_one_row_gets_one_row_per_call():
    inputs = [{"name": "rows", "datatype": "FP64", "shape": [1, 6]}]
    with InferenceServer(linear, inputs=inputs) as server:
        assert remote(server).ask(ROWS[:5], "logits").tobytes() == linear(ROWS[:5]).tobytes()
        assert server.n_calls == 5
        server.metadata["inputs"][0]["shape"] = [8, 6]
        with pytest.raises(QueryError, match="exactly 8 rows per call"):
            remote(server).ask(ROWS, "logits")


def test_inputs_and_outputs_are_chosen_by_name_where_there_are_several():
    two = [{"name": n, "datatype": "FP64", "shape": [-1, 6]} for n in ("a", "b")]
    outputs = [{"name": "label", "datatype": "INT64", "shape": [-1]}]
    outputs += [{"name": n, "datatype": "FP64", "shape": [-1, 3]} for n in ("scores", "other")]
    with InferenceServer(linear, inputs=two, outputs=outputs) as server:
        with pytest.raises(QueryError, match=r"inputs a and b; pass input_name="):
            remote(server).ask(ROWS, "logits")
        with pytest.raises(QueryError, match="no input 'c'"):
            remote(server, input_name="c", output_name="scores").ask(ROWS, "logits")
        with pytest.raises(QueryError, match=r"outputs scores and other; pass output_name="):
            remote(server, input_name="a").ask(ROWS, "logits")
        named = remote(server, input_name="a", output_name="scores")
        assert named.ask(ROWS, "logits").shape == (40, 3)
        del server.metadata["outputs"][2]  # the only floats are taken
        assert remote(server, input_name="a").ask(ROWS, "logits").shape == (40, 3)


def test_server_that_lists_nothing_needs_a_name():
    with InferenceServer(linear, inputs=[], outputs=[], extensions=[]) as server:
        with pytest.raises(QueryError, match="does not list its inputs; pass input_name="):
            remote(server).ask(ROWS, "logits")
        answer = remote(server, input_name="x").ask(ROWS, "logits")
        assert answer.tobytes() == linear(ROWS).tobytes()


def test_columns_of_a_frame_become_tensors_of_one_column():
    pd = pytest.importorskip("pandas")
    query = RemoteQuery("http://127.0.0.1:1/v2/models/m", output="logits")
    query._metadata = {
        "inputs": [
            {"name": "word", "datatype": "BYTES", "shape": [-1, 1]},
            {"name": "age", "datatype": "FP32", "shape": [-1]},
        ]
    }
    frame = pd.DataFrame({"age": [1, 2], "word": ["one", "zwölf"]})
    age, word = query._tensors(frame)
    assert (age.name, age.datatype, age.values.tolist()) == ("age", "FP32", [1.0, 2.0])
    assert word.values.tolist() == [[b"one"], ["zwölf".encode()]]
    with pytest.raises(QueryError, match="the batch years and word"):
        query._tensors(frame.rename(columns={"age": "years"}))


def test_dictionaries_of_arrays_are_spread_over_the_inputs():
    names = ("input_ids", "attention_mask")
    inputs = [{"name": name, "datatype": "INT32", "shape": [-1, -1]} for name in names]
    query = RemoteQuery("http://127.0.0.1:1/v2/models/m", output="logits")
    query._metadata = {"inputs": inputs}
    ids = np.arange(12).reshape(4, 3)
    tensors = query._tensors({"input_ids": ids, "attention_mask": np.ones_like(ids)})
    assert {t.name: t.datatype for t in tensors} == dict.fromkeys(names, "INT32")
    with pytest.raises(QueryError, match=r"INT32 .*int64 of shape \(n, 3\)"):
        query._tensors({"input_ids": ids + 2**40, "attention_mask": ids})


def test_calls_of_a_dictionary_hold_some_rows_of_each_array(server):
    query = remote(server, max_rows=3, preprocess=lambda X: {"rows": X})
    assert query.ask(ROWS, "logits").tobytes() == linear(ROWS).tobytes()
    assert server.n_calls == 14


def test_bytes_do_not_wrap_around():
    query = RemoteQuery("http://127.0.0.1:1/v2/models/m", output="logits")
    query._metadata = {"inputs": [{"name": "x", "datatype": "INT8", "shape": [-1, 2]}]}
    (tensor,) = query._tensors(np.array([[1, 127]], dtype=np.uint8))
    assert tensor.values.dtype == np.int8
    with pytest.raises(QueryError, match="takes INT8"):
        query._tensors(np.array([[1, 128]], dtype=np.uint8))


def test_output_that_is_not_there_is_not_asked_for_again():
    outputs = [{"name": "scores", "datatype": "FP64", "shape": [-1, 3]}]
    with InferenceServer(linear, outputs=outputs) as server:
        server.answers_as = "other"
        with pytest.raises(QueryError, match="answered with the outputs other; 'scores' was asked"):
            remote(server).ask(ROWS, "logits")
        assert server.n_calls == 1


def test_texts_are_sent_as_bytes():
    query = RemoteQuery("http://127.0.0.1:1/v2/models/m", input_name="text", output="logits")
    query._metadata = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1, 1]}]}
    (tensor,) = query._tensors(["one", "zwölf"])
    assert tensor.datatype == "BYTES"
    assert tensor.values.tolist() == [[b"one"], ["zwölf".encode()]]
    with pytest.raises(QueryError, match="different shapes"):
        query._tensors([np.zeros(3), np.zeros(4)])


# --- another protocol ------------------------------------------------------------------------


def http(server, **params):
    params = {"encode": to_json, "decode": from_json, **QUICK, **params}
    return HttpQuery(f"{server.url}/infer?version=2", **params)


def test_http_query_speaks_what_it_is_told(server):
    query = http(server, max_rows=16)
    assert query.ask(ROWS, "logits").tobytes() == linear(ROWS).tobytes()
    check_query(query, ROWS)
    bytes_too = http(server, encode=lambda rows: json.dumps(to_json(rows)).encode())
    assert bytes_too.ask(ROWS, "logits").tobytes() == linear(ROWS).tobytes()


def testfrom_json_that_fails_is_named(server):
    query = http(server, decode=lambda body: json.loads(body)["scores"], retries=1)
    with pytest.raises(QueryError, match=r"decode raised KeyError: 'scores' \(asked 2 times\)"):
        query.ask(ROWS[:4], "logits")
    with pytest.raises(QueryError, match=r"shape \(2, 3\) for 4 rows"):
        http(server, decode=lambda body: np.zeros((2, 3)), retries=0).ask(ROWS[:4], "logits")
    for name in ("encode", "decode"):
        with pytest.raises(TypeError, match=f"{name} must be a function; got 3"):
            http(server, **{name: 3})


# --- failures --------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS)
def test_what_fails_once_is_asked_again(fault):
    with InferenceServer(linear, fault=lambda n: fault if n == 1 else None) as server:
        query = remote(server, max_rows=16, timeout=0.2 if fault == "slow" else 10.0)
        assert query.ask(ROWS, "logits").tobytes() == linear(ROWS).tobytes()
        assert server.faults == {None: 3, fault: 1}
        assert query.n_questions == server.n_received == len(ROWS) + 16


@pytest.mark.parametrize("fault", FAULTS)
def test_what_keeps_failing_is_an_error_with_the_reason(fault):
    facts = {
        "500": "answered 500 (overloaded)",
        "reset": "broke off the connection",
        "truncated": "broke off the connection",
        "wrong length": "shape (3, 3) for 4 rows",
        "slow": "took more than 0.2 s to answer",
        "garbage": "does not keep the protocol",
    }
    with InferenceServer(linear, fault=lambda n: fault) as server:
        query = remote(server, retries=1, timeout=0.2 if fault == "slow" else 10.0)
        with pytest.raises(QueryError) as caught:
            query.ask(ROWS[:4], "logits")
        assert facts.get(fault, f"answered {fault}") in str(caught.value)
        assert "asked 2 times" in str(caught.value)
        assert query.n_questions == server.n_received == 8


def test_refusals_for_good_are_not_repeated(server):
    server.token = TOKEN
    query = remote(server)
    with pytest.raises(QueryError, match=r"answered 401.*Is token= right\?"):
        query.ask(ROWS, "logits")
    assert len(server.requests) == 1
    server.token = None
    lost = RemoteQuery(server.url.removesuffix("m") + "other", **QUICK)
    with pytest.raises(QueryError, match=r"answered 404 \(no model at .*is the model loaded"):
        lost.ask(ROWS, "logits")
    assert query.ask(ROWS, "logits").shape == (40, 3)


def test_no_server_is_an_error_and_costs_nothing():
    with InferenceServer(linear) as server:
        query = remote(server, retries=1)
        query.ask(ROWS[:2], "logits")
    query.model.close()
    with pytest.raises(QueryError, match=r"cannot be reached: .*refused.*\(asked 2 times\)"):
        query.ask(ROWS, "logits")
    assert query.n_questions == 2


def test_server_that_wants_too_long_a_pause_is_not_waited_for(server, monkeypatch):
    monkeypatch.setattr("skzest.queries.remote._service._retry_after", lambda headers: 3600.0)
    server.fault = lambda n: "503"
    with pytest.raises(QueryError, match=r"answered 503 \(overloaded\) \(asked once\)"):
        remote(server).ask(ROWS, "logits")


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [("3", 3, 3), ("0.5", 0.5, 0.5), ("", 0, 0), ("soon", 0, 0), ("nan", 0, 0), ("-1", 0, 0)]
    + [("Fri, 01 Jan 2100 00:00:00 GMT", 1e8, 1e10), ("Fri, 01 Jan 1999 00:00:00 GMT", 0, 0)],
)
def test_retry_after_is_seconds_or_a_date(value, low, high):
    from skzest.queries.remote._service import _retry_after

    assert low <= _retry_after({"Retry-After": value}) <= high


def test_answers_beside_a_failure_are_kept():
    with InferenceServer(linear, fault=lambda n: "500" if n >= 2 else None) as server:
        query = remote(server, max_rows=8, retries=0)
        with pytest.raises(PartialAnswerError) as caught:
            query.ask(ROWS, "logits")
    assert caught.value.known.tolist() == [True] * 16 + [False] * 24
    assert caught.value.answer.tobytes() == linear(ROWS[:16]).tobytes()


def test_after_a_failure_no_further_call_is_begun():
    with InferenceServer(linear, fault=lambda n: "500") as server:
        with pytest.raises(QueryError, match="answered 500"):
            remote(server, max_rows=1, retries=0, n_connections=2).ask(ROWS, "logits")
        assert server.n_calls <= 4


# --- limits ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_connections", [1, 4])
def test_budget_is_never_exceeded(n_connections):
    with InferenceServer(linear, fault=one_in_five(seed=4)) as server:
        query = remote(
            server, max_rows=3, max_questions=31, n_connections=n_connections, timeout=0.3
        )
        with pytest.raises(QueryError, match="max_questions=31 is reached"):
            query.ask(ROWS, "logits")
        # The last call that fits is made: it would take 3 rows more.
        assert 28 < query.n_questions <= 31
        assert server.n_received == query.n_questions
        with pytest.raises(QueryError, match="max_questions=31"):
            query.ask(ROWS, "logits")
        assert server.n_received <= 31


def test_budget_that_suffices_is_not_in_the_way(server):
    query = remote(server, max_questions=40)
    assert query.ask(ROWS, "logits").shape == (40, 3)


def test_rows_per_second_are_limited(server, monkeypatch):
    """By a clock that the test turns."""
    from skzest.queries.remote import _limits

    now = [100.0]
    limits = _limits.Limits(None, max_rate=10.0)
    waits = []

    class Stop(threading.Event):
        def wait(self, timeout=None):
            waits.append(timeout)
            now[0] += timeout
            return False

    monkeypatch.setattr(_limits.time, "monotonic", lambda: now[0])
    for _ in range(3):
        limits.take(5, Stop())
    assert np.allclose(waits, [0.5, 0.5])
    limits.pause(7.0)
    limits.take(5, Stop())
    assert np.allclose(waits[2:], [7.0])


def test_connections_are_used_side_by_side():
    """Each of three calls is answered only once three are under way."""
    together = threading.Barrier(3, timeout=30)

    def model(X):
        together.wait()
        return linear(X)

    with InferenceServer(model) as server:
        answer = remote(server, max_rows=10, n_connections=3).ask(ROWS[:30], "logits")
    assert answer.tobytes() == linear(ROWS[:30]).tobytes() and server.most_open == 3


@pytest.mark.parametrize(
    ("params", "error", "fact"),
    [
        ({"timeout": 0}, ValueError, "timeout must be positive; got 0"),
        ({"timeout": "1"}, TypeError, "timeout must be a number"),
        ({"retries": -1}, ValueError, "retries must be at least 0"),
        ({"backoff": -1}, ValueError, "backoff must be at least 0"),
        ({"max_rows": 0}, ValueError, "max_rows must be at least 1"),
        ({"max_questions": 0.5}, TypeError, "max_questions must be an integer"),
        ({"max_rate": 0}, ValueError, "max_rate must be positive"),
        ({"n_connections": 0}, ValueError, "n_connections must be at least 1"),
        ({"output": "scores"}, ValueError, "output"),
        ({"classes": [1, 1]}, ValueError, "more than once"),
        ({"verify": "/no/such/file.pem"}, FileNotFoundError, "no such file"),
        ({"url": "models.example/v2/models/m"}, ValueError, "must begin with 'https://'"),
        ({"url": "https://models.example/score"}, ValueError, "not the address of a model"),
        ({"url": "https://me:pw@models.example/v2/models/m"}, ValueError, "leave it out"),
        ({"url": 3}, TypeError, "url must be a str"),
        ({"url": "http://models.example/v2/models/m", "token": TOKEN}, ValueError, "unencrypted"),
    ],
)
def test_parameters_out_of_range_are_refused(params, error, fact):
    params = {"url": "https://models.example/v2/models/m", **params}
    with pytest.raises(error, match=fact) as caught:
        RemoteQuery(params.pop("url"), **params)
    assert TOKEN not in str(caught.value) and "pw" not in str(caught.value)


# --- secrets ---------------------------------------------------------------------------------


def read_token():
    return TOKEN


def test_token_is_sent_and_seen_nowhere_else(server, tmp_path, caplog):
    server.token = TOKEN
    caplog.set_level(logging.DEBUG)
    query = remote(server, token=TOKEN, headers={"X-Key": TOKEN[::-1]}, model_id="m")
    store = tmp_path / "answers.sqlite"
    lime = LimeSignatureTransformer(ROWS, n_reference=2, n_samples=16, cache=store, n_classes=3)
    lime.fit_transform([query])
    assert server.n_calls and server.requests[-1][1]["X-Key"] == TOKEN[::-1]
    server.token = "another"  # the answer to a wrong token quotes it
    with pytest.raises(QueryError, match=r"\(Bearer \.\.\. is not valid\)") as caught:
        query.ask(ROWS, "logits")
    shown = [repr(query), repr(vars(query)), repr(query.model), repr(vars(query.model))]
    shown += [
        str(caught.value),
        caplog.text,
        repr(copy.copy(query)),
        pickle.dumps(query).decode("latin1"),
    ]
    files = [path.read_bytes().decode("latin1") for path in tmp_path.iterdir()]
    for text in shown + files:
        assert TOKEN not in text and TOKEN[::-1] not in text


def test_token_with_a_line_break_is_not_shown(server):
    assert remote(server, token=f"{TOKEN}\n").ask(ROWS[:2], "logits").shape == (2, 3)
    with pytest.raises(ValueError, match="'Authorization' must be a str of printable") as caught:
        remote(server, token=f"{TOKEN}\nX-Other: 1").ask(ROWS, "logits")
    assert TOKEN not in str(caught.value)


def test_pickles_hold_functions_and_no_token(server):
    server.token = TOKEN
    by_function = remote(server, token=read_token)
    twin = pickle.loads(pickle.dumps(by_function))
    assert twin.ask(ROWS[:4], "logits").tobytes() == linear(ROWS[:4]).tobytes()
    by_text = pickle.loads(pickle.dumps(remote(server, token=TOKEN)))
    with pytest.raises(QueryError, match=r"left out when it was pickled.*token=read_token"):
        by_text.ask(ROWS, "logits")


def test_pickles_hold_no_connection(server):
    query = remote(server)
    with query.session():
        query.ask(ROWS[:4], "logits")
        twin = pickle.loads(pickle.dumps(query))
        assert query.model._pool is not None and twin.model._pool is None
    assert query.model._pool is None
    assert twin.n_questions == 4  # and counts for itself from there
    twin.ask(ROWS[:4], "logits")
    assert (query.n_questions, twin.n_questions) == (4, 8)


def test_certificates_are_verified_unless_told_otherwise():
    address = "https://models.example/v2/models/m"
    pool = RemoteQuery(address).model._connections()
    assert pool.connection_pool_kw["cert_reqs"] == "CERT_REQUIRED"
    pool = RemoteQuery(address, verify=False).model._connections()
    assert pool.connection_pool_kw["cert_reqs"] == "CERT_NONE"


def test_redirects_are_refused():
    with InferenceServer(linear) as server:
        query = remote(server, token=TOKEN)
        query.metadata  # noqa: B018

        def redirected(handler, *args, **kwargs):
            handler._send(b"", status=307, Location="http://127.0.0.1:9/")

        server._server.RequestHandlerClass.do_POST = redirected
        with pytest.raises(QueryError, match=r"answered 307.*redirects are not followed"):
            query.ask(ROWS, "logits")


# --- stores and signatures -------------------------------------------------------------------


def test_a_store_needs_a_name(server, tmp_path):
    with pytest.raises(TypeError, match=r"cannot be seen. Name it with model_id="):
        fingerprint(remote(server))
    lime = LimeSignatureTransformer(
        ROWS, n_reference=4, n_samples=16, cache=tmp_path / "a.sqlite", n_classes=3
    )
    with pytest.raises(TypeError, match=r"models\[0\].*model_id="):
        lime.fit_transform([remote(server)])
    assert server.n_calls == 0
    lime.fit_transform([remote(server, model_id="m, version 1")])


def test_one_process_asks_whatever_n_jobs_is(server):
    params = {"n_reference": 4, "n_samples": 16, "n_jobs": 2}
    query = remote(server, max_questions=500)
    assert query.space != HOST and query.space == pickle.loads(pickle.dumps(query.space))
    LimeSignatureTransformer(ROWS, **params).fit_transform([query])
    assert query.n_questions == server.n_received


def test_public_classes_have_the_parameters_of_a_service():
    service = set(inspect.signature(ServiceQuery).parameters) - {"url"}
    for params in ({"max_rows": 3}, {"timeout": 2.0, "n_connections": 3}):
        assert set(params) <= service
        HttpQuery("https://a.example", encode=to_json, decode=from_json, **params)
    with pytest.raises(TypeError, match="max_row"):
        RemoteQuery("https://a.example/v2/models/m", max_row=3)


MASKS = {"n_reference": 10, "n_samples": 32, "sampling": "fractional", "n_classes": 3}


@pytest.mark.parametrize("n_connections", [1, 3])
@pytest.mark.parametrize("binary", [True, False])
def test_failing_server_that_dies_twice_gives_the_same_signature(tmp_path, n_connections, binary):
    """A fifth of all calls fails in eight ways, the rate is limited, and two lives end early."""
    rows = np.random.default_rng(3).normal(size=(30, 6))
    lime = LimeSignatureTransformer(rows, **MASKS)
    expected = lime.fit_transform([CallableQuery(linear, output="logits")])
    lime.set_params(cache=tmp_path / "answers.sqlite")
    fault = one_in_five(seed=7)
    with InferenceServer(
        linear, fault=fault, dies_at=(30, 70), hang_seconds=0.5, min_gap=0.004
    ) as server:
        failures = []
        while True:
            query = remote(
                server,
                model_id="m",
                binary=binary,
                max_rows=7,
                n_connections=n_connections,
                max_questions=3000,
                max_rate=20000.0,
                timeout=0.25,
                retries=8,
            )
            received = server.n_received
            try:
                found = lime.fit_transform([query])
                break
            except ServiceError as error:
                failures.append(str(error))
            assert query.n_questions <= 3000
            assert server.n_received - received <= query.n_questions
            if not server.alive:  # else its limit of calls was met too often in a row
                server.start()
    assert len(failures) >= 2 and all("models[0] (RemoteQuery): http" in f for f in failures)
    assert server.n_lives == 3 and server.n_too_early > 0
    assert found.tobytes() == expected.tobytes()
    # What was answered in one life is not asked in another, but for a few that are checked.
    for life in (1, 2):
        answered = {row for when, row in server.answered if when == life}
        later = [row for when, row in server.asked if when > life and row in answered]
        assert len(answered) > 20
        assert len(set(later)) <= 3 * 8


def test_answers_beside_a_failure_are_in_the_store(tmp_path):
    """One batch of several calls: the budget ends in the middle of it."""
    path = tmp_path / "answers.sqlite"
    lime = LimeSignatureTransformer(ROWS, **MASKS, cache=path)
    with InferenceServer(linear) as server:
        with pytest.raises(ServiceError, match="max_questions=100 is reached"):
            lime.fit_transform([remote(server, model_id="m", max_rows=10, max_questions=100)])
        assert 90 < server.n_received <= 100
        stored = AnswerStore(path).stats().rows_asked
        lime.fit_transform([remote(server, model_id="m", max_rows=10)])
    asked_twice = [row for row, n in Counter(row for _, row in server.asked).items() if n > 1]
    assert stored > 70 and len(asked_twice) <= 24
